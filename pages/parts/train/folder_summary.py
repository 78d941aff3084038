"""Summary of a user's own folder, as soon as its path is typed: images by class and split, what is left out, and why."""

from typing import Any

import streamlit as st

from kdcore.recipe import DataRecipe
from pages.parts import engine, formatting

MOST_CLASSES = 50  # rows of the table
TITLES = {"train": "Training", "validation": "Validation", "test": "Test"}


def show(data: dict[str, Any]) -> None:
    """The report on the folder of a plain recipe's data; nothing where none is named, or where the form shows an error."""
    if not data["path"]:
        return
    try:
        with st.spinner("Looking through the folder …"):
            found = engine.folder_report(DataRecipe.model_validate(data))
    except ValueError:  # what is wrong with the folder, or with another setting, is shown by the form
        return
    st.markdown(f":green[:material/folder_open:] {formatting.as_text(found.headline)}")
    if found.warnings:
        first = "- " if len(found.warnings) > 1 else ""
        st.warning("\n".join(first + formatting.as_text(text) for text in found.warnings), icon=":material/warning:")
    count = sum(each.count for each in found.left_out)
    title = "Images of each class" + (f"; {count:,} left out" if count else "")
    with st.expander(title, icon=":material/list:"):
        show_classes(found)
        for line in found.lines():
            if line not in found.warnings:
                st.caption(formatting.as_text(line))


def show_classes(found: "engine.FolderReport") -> None:
    """A row for each class, a column for each split."""
    rows = {"Class": [formatting.as_text(name) for name in found.classes[:MOST_CLASSES]]}
    for split, counts in found.counts.items():
        rows[TITLES.get(split, split)] = [f"{count:,}" for count in counts[:MOST_CLASSES]]
    st.table(rows, border="horizontal")
    if len(found.classes) > MOST_CLASSES:
        st.caption(f"and {len(found.classes) - MOST_CLASSES} more classes")
