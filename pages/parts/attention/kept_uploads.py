"""Uploads that stay for the visit: Streamlit's uploader forgets its files when the page changes, its storage keeps them."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from pages.parts.server.uploads import VISITOR_FILE_MB

KEPT, IN_WIDGET, TURN = "kept_uploads", "uploads_in_widget", "uploader_turn"  # in the session's state


@dataclass(frozen=True)
class Upload:
    id: str
    name: str

    def raw(self) -> bytes:
        """The file, from Streamlit's storage, so that it counts once for the quota."""
        return _stored([self.id])[0].data


def uploader(label: str, help: str) -> list[Upload]:
    """The uploader, and all uploads of this visit that were not removed: those of its list first, in their order."""
    key = f"uploader-{st.session_state.setdefault(TURN, 0)}"
    reopened = (
        key not in st.session_state
    )  # then an empty list means that the page was left, not that files were removed
    files = st.file_uploader(label, accept_multiple_files=True, help=help, key=key, max_upload_size=VISITOR_FILE_MB)
    shown = {file.file_id: file.name for file in files}
    kept: dict[str, str] = st.session_state.setdefault(KEPT, {})
    for removed in () if reopened else st.session_state.get(IN_WIDGET, set()) - shown.keys():
        kept.pop(removed, None)
    kept.update(shown)
    st.session_state[IN_WIDGET] = set(shown)
    there = {file.file_id for file in _stored(list(kept))}
    for gone in kept.keys() - there:
        del kept[gone]
    return [Upload(file_id, name) for file_id, name in sorted(kept.items(), key=lambda each: each[0] not in shown)]


def offer_removal(count: int, also: Callable[[], None]) -> None:
    """A button that removes all photos of this visit, where there are any. also: called when it is pressed."""
    if not count:
        return
    label = f"Remove my {count} photos" if count > 1 else "Remove my photo"
    st.button(label, icon=":material/delete:", type="tertiary", key="remove-photos", on_click=_remove_all, args=(also,))


def _remove_all(also: Callable[[], None]) -> None:
    context = get_script_run_ctx()
    for file_id in st.session_state.pop(KEPT, {}):
        if context:
            context.uploaded_file_mgr.remove_file(context.session_id, file_id)
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1  # a new uploader, with an empty list
    also()


def _stored(ids: list[str]) -> list[UploadedFileRec]:
    context = get_script_run_ctx()
    return context.uploaded_file_mgr.get_files(context.session_id, ids) if context and ids else []
