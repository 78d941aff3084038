"""Links to the Attention page that were copied before its labels changed: a label in an address means the new one."""

import streamlit as st

from pages.parts import page_table

RENAMED: dict[str, dict[str, str]] = {  # query parameter -> label in old links -> today's label
    "deeper": {
        "How did it learn to see this?": "Over the epochs",
        "Is the map faithful?": "Faithfulness",
        "Where they differ most": "Largest differences",
        "Take it away": "Download",
    },
    "class": {
        "Each network's answer": "Each network's prediction",
        "The first network's answer": "The first network's prediction",
    },
    "networks": {
        "Those for this photo": "Fitting the picture",
        "Fitting this photo": "Fitting the picture",
        "Choose singly": "Choose one by one",
    },
}


def translate() -> None:
    """Before the widgets are drawn: they take their values from the address, so the page is opened again at the new one."""
    address = dict(st.query_params)
    new = {key: RENAMED.get(key, {}).get(value, value) for key, value in address.items()}
    if new != address:
        st.switch_page(page_table.ATTENTION, query_params=new)
