"""The router: what every page has around it. `app.py` starts it; its folder holds no `pages/`, so deep links work."""

import streamlit as st

from pages.parts import engine, page_table

st.set_page_config(page_title="Distillation Explorer", page_icon=":material/school:", layout="wide")
page = st.navigation(page_table.table(training=bool(engine.runner().active())), position="top")
page.run()
