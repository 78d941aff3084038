"""Refuses messages that a browser may not send: those that clear all visits' caches, and requests for statistics."""

import logging

from google.protobuf.message import DecodeError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

ACCEPTED = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"})
CLOSED = ("/_stcore/metrics", "/_stcore/script-health-check")  # the first goes through the state of every visit

logger = logging.getLogger(__name__)


class KnownMessages:
    """Middleware: drops websocket messages of other kinds than the pages send, and does not answer at closed addresses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def known() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive" or is_known(message.get("bytes")):
                    return message

        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(CLOSED):
            await PlainTextResponse("Not found\n", 404)(scope, receive, send)
        else:
            await self.app(scope, known if scope["type"] == "websocket" else receive, send)


def is_known(raw: bytes | None) -> bool:
    """Whether Streamlit gets this message; one that is no message of it at all ends the connection there."""
    try:
        kind = BackMsg.FromString(raw or b"").WhichOneof("type")
    except DecodeError:
        return True
    if kind is None or kind in ACCEPTED:
        return True
    logger.warning("A browser's message of the kind %s was dropped.", kind)
    return False
