"""Links to the Attention page that were copied before its labels changed: a label in an address means the new one."""

import streamlit as st

RENAMED = {  # key of a widget -> its label in old links -> its value
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
    "networks": {"Those for this photo": "fitting", "Choose singly": "singly"},
}


def translate() -> None:
    """Before the widgets are drawn, which then write the new labels into the address."""
    for key, chosen in RENAMED.items():
        if (label := st.query_params.get(key)) in chosen:
            st.session_state[key] = chosen[label]
            del st.query_params[key]
