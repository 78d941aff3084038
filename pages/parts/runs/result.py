"""The result on the test images in one row: whether the teacher helped, and each network's accuracy."""

import streamlit as st

from kdcore.results.comparison import Summary, counted, covers, sentence
from pages.parts import formatting, palette

TITLES = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}  # of two classes


def outcome(summary: Summary, key: str = "outcome") -> None:
    """The sentence at the left, the accuracies at the right; on a phone below each other."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium", key=f"box-{key}"):
        with st.container(width="stretch", gap="xxsmall"):
            st.subheader(sentence(summary), anchor=False)
            more = " More test images or seeds would show smaller differences." if summary.kind == "open" else ""
            on = f"Accuracy on {counted(summary.images)}. " if summary.images and summary.same_images else ""
            st.caption(f"{on}{covers(summary)}{more}")
            for name, words in of_two_classes(summary).items():
                st.caption(f"{palette.in_colour(name, name.capitalize())}: {words}")
        accuracies(summary, key)


def accuracies(summary: Summary, key: str) -> None:
    there = [name for name in palette.NETWORKS if name in summary.networks]
    with (
        st.container(width=140 * len(there)),
        st.grid(columns=len(there), min_column_width=90, wrap=False, width="stretch", key=key),
    ):
        for name in there:
            top1 = summary.networks[name]["top1"]
            st.metric(
                palette.in_colour(name, name.capitalize()), formatting.percent(top1.mean),
                delta=formatting.interval(top1) or None, delta_color="off", delta_arrow="off",
            )  # fmt: skip


def of_two_classes(summary: Summary) -> dict[str, str]:
    """Network -> its measures of two classes, where there are any."""
    found = {}
    for name in palette.NETWORKS:
        measures = summary.networks.get(name, {})
        if two := [f"{TITLES[each]} {measures[each].mean:.3f}" for each in TITLES if each in measures]:
            found[name] = ", ".join(two)
    return found
