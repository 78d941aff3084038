"""Links to the Attention page that were copied before its labels changed: a label in an address means the new one."""

import streamlit as st

RENAMED = {
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
    "networks": {"Those for this photo": "Fitting this photo", "Choose singly": "Choose one by one"},
}


def translate() -> None:
    """Before the widgets read the address."""
    for key, labels in RENAMED.items():
        if (label := st.query_params.get(key)) in labels:
            st.query_params[key] = labels[label]
