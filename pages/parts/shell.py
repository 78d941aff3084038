"""The router: what every page has around it. `app.py` starts it; its folder holds no `pages/`, so deep links work."""

from pathlib import Path

import streamlit as st

from pages.parts import engine, page_table, titles
from pages.parts.stage import ahead, bar, notes
from pages.parts.teaching import exercise

ICON = str(Path(__file__).with_name("icon.svg"))  # of our own: the usual ones come from the network

st.set_page_config(page_icon=ICON, layout="wide")
position = "hidden" if notes.wanted() else "top"
page = st.navigation(page_table.table(training=bool(engine.runner().active())), position=position)
st.set_page_config(page_title=titles.of(page.url_path, page.title))
bar.draw()
if notes.wanted():
    notes.draw()
else:
    exercise.begin(page.url_path)
    page.run()
    exercise.offer(page.url_path)
ahead.prepare(page.url_path, opened=notes.wanted())
