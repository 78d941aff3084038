"""Downloads that are made when they are pressed: one that is refused or fails says why, under its button and at the page's edge.

Streamlit 1.67 sends the browser the same few words for every failure, and writes a traceback to the log, also of a refusal.
"""

import asyncio
import functools

from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse, DeferredFileResponsePayload
from streamlit.runtime.backend_operation_handler import DeferredFileHandler

from kdcore import errors
from pages.parts.roles import role, visitors

GONE = "This download is no longer offered here: reload the page and press again."


def explain() -> None:
    """Let all visits' downloads say why they fail."""
    DeferredFileHandler.handle = _handle  # type: ignore[method-assign]


async def _handle(
    handler: DeferredFileHandler, request: BackendOperationRequest, session_id: str
) -> BackendOperationResponse:
    answer = functools.partial(BackendOperationResponse, request_id=request.request_id)
    make = handler._get_media_file_mgr().execute_deferred
    try:
        url = await asyncio.to_thread(make, request.deferred_file.file_id)
    except Exception as error:  # whatever made the file raises, wrapped by Streamlit
        return answer(error_msg=_why(error.__cause__, session_id))
    return answer(deferred_file=DeferredFileResponsePayload(url=url))


def _why(cause: BaseException | None, session_id: str) -> str:
    """The reason as this visit may read it. cause: None where the browser's button is one that is no longer offered."""
    words = errors.shown(cause) if cause else GONE
    return words if role.operates(session_id) else visitors.in_words(words)
