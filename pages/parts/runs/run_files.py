"""Runs as files, for the operator: one HTML page, a folder for another machine, and back."""

from collections.abc import Callable

import streamlit as st

from kdcore.errors import UserError
from kdcore.photos.decoding import plain_name
from kdcore.store import ACTIVE, RunState
from pages.parts import engine, formatting
from pages.parts.roles import role
from pages.parts.runs import table
from pages.parts.server.uploads import file_of, widget_mb

IMPORTED = "import-outcome"  # in the session: whether it went well, and the id or the reason


def offer(runs: list[RunState], button: Callable[..., None]) -> None:
    """Buttons in the popover “Download”. button: gets label, content, file name, type and icon."""
    if not role.is_operator():
        return
    ids = [run.id for run in runs if run.steps and run.status != "damaged"]
    if ids:
        name = ids[0] if len(ids) == 1 else f"{len(ids)}-runs"
        button(
            "Report (one HTML page)", lambda: engine.run_report(ids), f"{name}.html", "text/html", ":material/article:"
        )
    if len(runs) == 1 and ids and runs[0].status not in ACTIVE:
        zipped, icon = "application/zip", ":material/folder_zip:"
        button("Folder (ZIP)", lambda: engine.export_run(ids[0], weights=False), f"{ids[0]}.zip", zipped, icon)
        if size := engine.weights_size(ids[0]):
            button(
                f"Folder with weights (ZIP, {size / 2**20:,.0f} MiB)", lambda: engine.export_run(ids[0], weights=True),
                f"{ids[0]}-with-weights.zip", zipped, icon,
            )  # fmt: skip


def offer_import() -> None:
    """A field for a zip file of another machine."""
    if not role.is_operator():
        return
    with st.popover("Import", icon=":material/upload_file:", key="import-run"):
        st.caption(
            "A folder (ZIP) that was downloaded from a run on another machine. Larger ones: "
            "`python -m kdcore runs import FILE.zip`."
        )
        st.file_uploader(
            "Folder of a run (ZIP)", type=["zip"], key="import-file", on_change=_take, max_upload_size=widget_mb()
        )
        if outcome := st.session_state.pop(IMPORTED, None):
            done, words = outcome
            if done:
                table.select([words])
            st.error(formatting.message(words))


def _take() -> None:
    if (file := file_of("import-file")) is None:
        return
    try:
        st.session_state[IMPORTED] = True, engine.import_run(file.getvalue(), plain_name(file.name))
    except UserError as error:
        st.session_state[IMPORTED] = False, str(error)
