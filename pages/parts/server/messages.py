"""Refuses messages that a browser may not send: those that clear all visits' caches, unreadable ones, and requests for statistics."""

import contextlib
import logging

from google.protobuf.message import DecodeError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

ACCEPTED = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"})
CLOSED = ("/_stcore/metrics", "/_stcore/script-health-check")  # the first goes through the state of every visit
STREAM = "/_stcore/stream"  # the websocket of Streamlit; others have messages of their own
PROTOCOL_ERROR = 1002  # the code with which a websocket is closed

logger = logging.getLogger(__name__)


class KnownMessages:
    """Middleware: drops websocket messages of other kinds than the pages send, ends a connection with one that cannot be read, and does
    not answer at closed addresses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"].endswith(STREAM):
            await self._connected(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].rstrip("/").endswith(CLOSED):
            await PlainTextResponse("Not found\n", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _connected(self, scope: Scope, receive: Receive, send: Send) -> None:
        unreadable = False

        async def known() -> Message:
            nonlocal unreadable
            while not unreadable:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                if (kind := kind_of(message.get("bytes"))) is None:
                    unreadable = True
                    logger.warning("A browser's message that cannot be read was dropped, and its connection closed.")
                elif is_known(kind):
                    return message
            return {
                "type": "websocket.disconnect",
                "code": PROTOCOL_ERROR,
            }  # Streamlit would log a traceback of the message

        with contextlib.suppress(WebSocketDisconnect):  # the browser left while something was sent
            await self.app(scope, known, send)
        if unreadable:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # it is closed already
                await send({"type": "websocket.close", "code": PROTOCOL_ERROR})


def kind_of(raw: bytes | None) -> str | None:
    """The kind of a message, empty without one; None for what is no message: text, or bytes that cannot be read."""
    if raw is None:
        return None
    try:
        return BackMsg.FromString(raw).WhichOneof("type") or ""
    except DecodeError:
        return None


def is_known(kind: str) -> bool:
    """Whether Streamlit gets a message of this kind; the log has the others."""
    if not kind or kind in ACCEPTED:
        return True
    logger.warning("A browser's message of the kind %s was dropped.", kind)
    return False
