"""A quota for uploads held in memory, per visit and in total.

Streamlit keeps what is sent to `/_stcore/upload_file/SESSION/FILE` in memory until the visit ends, whether a widget
requested the file or not. Stored uploads count, and those being received.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pages.parts.roles import role

MB = 2**20
VARIABLE = "KD_UPLOAD_MB"
VISIT_MB = 200  # of one visit: ten photos of the largest size
MOST_MB = 2000  # as in .streamlit/config.toml
VISITOR_FILE_MB = 20  # of one file of a visitor: a photo; the operator also sends weights and folders
VISITS = 5  # the total is as much as so many full visits hold
VISIT_FILES = 200
PATH = re.compile(r".*/_stcore/upload_file/(?P<session>[^/]+)/(?P<file>[^/]+)", re.DOTALL)


REMEMBERED = 1000  # visits whose last refusal is remembered

_refusals: dict[str, str] = {}  # visit -> why its last upload was refused


def refusal(session: str) -> str:
    """Why the last upload of a visit was refused, for the page: the browser shows a number alone. Empty if it was not."""
    return _refusals.get(session, "")


@dataclass(eq=False)
class Arriving:
    """An upload that is being received. size: bytes announced, or received where those are more."""

    session: str
    file: str
    size: int = 0
    received: int = 0


class UploadQuota:
    """Middleware: refuses uploads beyond the quota; those of unknown length while they are received."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: list[Arriving] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if not path:
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        upload = Arriving(
            path["session"], path["file"], int(announced) if re.fullmatch(r"[0-9]{1,15}", announced) else 0
        )
        self.arriving.append(upload)
        try:
            _refusals.pop(upload.session, None)
            if excess := self._excess(upload):
                _remember(upload, excess)
                await PlainTextResponse(excess + "\n", 413)(scope, receive, send)
            else:
                await self.app(scope, self._counted(upload, receive), send)
        finally:
            self.arriving.remove(upload)
            _forget_if_over(upload)

    def _counted(self, upload: Arriving, receive: Receive) -> Receive:
        async def counting() -> Message:
            message = await receive()
            upload.received += len(message.get("body", b""))
            upload.size = max(upload.size, upload.received)
            if excess := self._excess(upload):
                _remember(upload, excess)
                raise HTTPException(413, excess, {"Connection": "close"})  # the rest is not read
            return message

        return counting

    def _excess(self, upload: Arriving) -> str:
        """Why the upload exceeds the quota; empty where it does not."""
        visit, everybody, files = upload.size, upload.size, 1
        for session, sizes in self._others(upload):
            everybody += sum(sizes)
            if session == upload.session:
                visit += sum(sizes)
                files += len(sizes)
        most = visit_bytes()
        remedy = "Remove some or reload the page."
        if upload.size > VISITOR_FILE_MB * MB and not role.known_to_operate(upload.session):
            return f"The file has {upload.size / MB:.0f} MB; a file has at most {VISITOR_FILE_MB} MB. Make the photo smaller."
        if visit > most:
            return f"This visit would hold {visit / MB:.0f} MB of uploads; its limit is {most / MB:g} MB ({VARIABLE}). {remedy}"
        if files > VISIT_FILES:
            return f"This visit would hold {files} uploads; its limit is {VISIT_FILES}. {remedy}"
        if everybody > VISITS * most:
            return (
                f"All visits together would hold {everybody / MB:.0f} MB of uploads; their limit is {VISITS * most / MB:g} MB, "
                f"{VISITS} times {VARIABLE}. Try again when other visitors have left."
            )
        return ""

    def _others(self, upload: Arriving) -> Iterable[tuple[str, list[int]]]:
        """(session, sizes in bytes) of all other uploads, without one that this upload replaces."""
        for session, files in list(_manager().file_storage.items()) if runtime.exists() else ():
            replaced = upload.file if session == upload.session else None
            yield session, [len(file.data) for name, file in list(files.items()) if name != replaced]
        for other in self.arriving:
            if other is not upload:
                yield other.session, [other.size]


def _remember(upload: Arriving, reason: str) -> None:
    _refusals[upload.session] = reason
    while len(_refusals) > REMEMBERED:
        _refusals.pop(next(iter(_refusals)))


def visit_bytes() -> int:
    """The limit of one visit: KD_UPLOAD_MB, else VISIT_MB."""
    wanted = os.environ.get(VARIABLE, "")
    return (int(wanted) if re.fullmatch(r"[0-9]{1,6}", wanted) else VISIT_MB) * MB


def forget(file_ids: Iterable[str]) -> None:
    """Remove files of this visit from the memory: Streamlit keeps those of a field that is gone."""
    if context := get_script_run_ctx():
        for file_id in file_ids:
            context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def file_of(key: str) -> UploadedFile | None:
    """The file of an upload field of one, by the field's key, for its callback; None without one, or where it is gone from memory."""
    file = st.session_state.get(key)
    return file if isinstance(file, UploadedFile) else None


def widget_mb() -> int:
    """The limit that an operator's upload field shows, in MB."""
    return max(1, min(visit_bytes() // MB, MOST_MB))


def _manager() -> MemoryUploadedFileManager:
    manager = runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    return manager


def _forget_if_over(upload: Arriving) -> None:
    """Remove an upload whose visit has ended: Streamlit removes a visit's files when it ends, so this one would stay."""
    if runtime.exists() and not runtime.get_instance().is_active_session(upload.session):
        _manager().remove_file(upload.session, upload.file)
        if not _manager().file_storage.get(upload.session):
            _manager().remove_session_files(upload.session)
