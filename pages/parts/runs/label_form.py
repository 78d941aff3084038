"""What a user writes about runs: a form for one run, one for several, and what visitors see of it."""

from collections.abc import Sequence

import streamlit as st

from kdcore.errors import UserError
from kdcore.store import RunState
from kdcore.store.run_files.labels import LONGEST_NAME, LONGEST_NOTE
from pages.parts import engine, formatting
from pages.parts.roles import role


def show(run: RunState) -> None:
    """Tags, the original name and the note of a run, for everybody."""
    label = run.label
    if label.tags or label.archived or label.pinned or run.original_name:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if label.pinned:
                st.badge("Pinned", icon=":material/keep:", color="gray")
            if label.archived:
                st.badge("Archived", icon=":material/inventory_2:", color="gray")
            for tag in label.tags:
                st.badge(formatting.in_badge(tag), icon=":material/sell:", color="blue")
            if run.original_name:
                st.caption(f"Originally: {formatting.as_text(run.original_name)}", width="content")
    if label.note:
        st.markdown(formatting.as_text(label.note))


def edit(run: RunState, known_tags: Sequence[str]) -> None:
    """A popover with the form; the operator's."""
    if not role.is_operator() or run.recorded:
        return
    with st.popover("Edit", icon=":material/edit:", key=f"label-{run.id}", help="Name, tags, note, pin, archive"):
        with st.form(f"label-form-{run.id}", border=False):
            name = st.text_input("Name", run.name, max_chars=LONGEST_NAME, key=f"label-name-{run.id}")
            if run.original_name:
                st.caption(f"The recipe's name is {formatting.as_text(run.original_name)}; an empty field restores it.")
            tags = st.multiselect(
                "Tags", list(dict.fromkeys([*run.label.tags, *known_tags])), list(run.label.tags), accept_new_options=True,
                key=f"label-tags-{run.id}", placeholder="Choose or type", format_func=str,
            )  # fmt: skip
            note = st.text_area("Note", run.label.note, max_chars=LONGEST_NOTE, key=f"label-note-{run.id}")
            pinned = st.toggle("Pinned: first in the list", run.label.pinned, key=f"label-pinned-{run.id}")
            archived = st.toggle("Archived: hidden from the list", run.label.archived, key=f"label-archived-{run.id}")
            saved = st.form_submit_button("Save", type="primary", key=f"label-save-{run.id}")
        if saved:
            own = "" if name.strip() in ("", run.original_name) else name
            own = own if run.label.name or own != run.name else ""  # unchanged
            _save([run], name=own, tags=tags, note=note, pinned=pinned, archived=archived)


def edit_several(runs: Sequence[RunState], known_tags: Sequence[str]) -> None:
    """A popover that tags, pins or archives all selected runs; the operator's."""
    own = [run for run in runs if not run.recorded]
    if not role.is_operator() or not own:
        return
    with st.popover("Edit", icon=":material/edit:", key="label-several", help="Tags, pin, archive: all selected runs"):
        shared = list(dict.fromkeys(tag for run in own for tag in run.label.tags))
        with st.form("label-form", border=False):
            add = st.multiselect("Add tags", list(known_tags), accept_new_options=True, key="label-add", placeholder="Choose or type")  # fmt: skip
            remove = st.multiselect("Remove tags", shared, key="label-remove") if shared else []
            saved = st.form_submit_button(f"Save for {len(own)} runs", type="primary", key="label-save")
        if saved:
            _save(own, add_tags=add, remove_tags=remove)
        with st.container(horizontal=True):
            for label, icon, change in (
                ("Archive", ":material/inventory_2:", {"archived": True}),
                ("Unarchive", ":material/unarchive:", {"archived": False}),
                ("Pin", ":material/keep:", {"pinned": True}),
                ("Unpin", ":material/keep_off:", {"pinned": False}),
            ):
                ((field, on),) = change.items()
                needed = any(getattr(run.label, field) != on for run in own)
                if needed and st.button(label, icon=icon, key=f"label-{label}"):
                    _save(own, **change)


def _save(runs: Sequence[RunState], **changes: object) -> None:
    problems = []
    for run in runs:
        try:
            engine.store().edit_label(run.id, **changes)
        except UserError as error:
            problems.append(str(error))
    for problem in dict.fromkeys(problems):
        st.error(formatting.message(problem))
    if not problems:
        st.rerun()


def tags_of(runs: Sequence[RunState]) -> list[str]:
    """All tags in use, in alphabetical order."""
    return sorted({tag for run in runs for tag in run.label.tags})
