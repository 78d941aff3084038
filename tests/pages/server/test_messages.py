"""Messages of a browser that would act on all visits are dropped; those of the pages are not."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.parts.server import routes
from pages.parts.server.messages import ACCEPTED, KnownMessages, is_known, kind_of

KINDS = [field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


def message(kind):
    found = BackMsg()
    field = BackMsg.DESCRIPTOR.fields_by_name[kind]
    if field.message_type:
        getattr(found, kind).SetInParent()
    else:
        setattr(found, kind, "x" if field.type == field.TYPE_STRING else True)
    return found.SerializeToString()


@pytest.mark.parametrize("kind", KINDS)
def test_only_kinds_that_pages_send_are_known(kind):
    assert kind_of(message(kind)) == kind
    assert is_known(kind) is (kind in ACCEPTED)
    assert not {"clear_cache", "load_git_info", "debug_shutdown_runtime"} & ACCEPTED


@pytest.mark.parametrize("raw", [None, b"\xff\xff\xff", b"\x00" * 100, b"{}", b'{"rerun_script": 1}'])
def test_what_is_no_message_ends_the_connection_with_a_line_in_the_log(raw, caplog):
    sent = []

    async def receive():
        return (
            {"type": "websocket.receive", "bytes": raw}
            if raw is not None
            else {"type": "websocket.receive", "text": "{"}
        )

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        assert await receive() == {"type": "websocket.disconnect", "code": 1002}
        assert (await receive())["type"] == "websocket.disconnect"

    asyncio.run(KnownMessages(app)({"type": "websocket", "path": "/_stcore/stream"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1002}]
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("A browser's message that cannot be read was dropped, and its connection closed.", None)
    ]


@pytest.mark.parametrize("error", [WebSocketDisconnect(1006), RuntimeError("closed"), OSError("gone")])
def test_a_browser_that_has_left_before_its_connection_is_closed_leaves_no_traceback(error):
    async def receive():
        return {"type": "websocket.receive", "text": "{"}

    async def send(message):
        raise error

    async def app(scope, receive, send):
        await receive()

    asyncio.run(KnownMessages(app)({"type": "websocket", "path": "/_stcore/stream"}, receive, send))


def test_a_browser_that_leaves_while_something_is_sent_leaves_no_traceback():
    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        if message["type"] != "websocket.accept":
            raise OSError("gone")  # of which Starlette makes its own error

    async def app(scope, receive, send):
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text("x")

    asyncio.run(KnownMessages(app)({"type": "websocket", "path": "/_stcore/stream"}, receive, send))


def test_a_dropped_message_does_not_end_the_connection():
    sent = [message("clear_cache"), message("rerun_script")]

    async def receive():
        return {"type": "websocket.receive", "bytes": sent.pop(0)}

    async def app(scope, receive, send):
        assert (await receive())["bytes"] == message("rerun_script")

    asyncio.run(KnownMessages(app)({"type": "websocket", "path": "/_stcore/stream"}, receive, None))
    assert sent == []


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/", "/_stcore/script-health-check"])
def test_statistics_of_all_visits_are_not_served(path):
    client = TestClient(Starlette(middleware=list(routes.MIDDLEWARE)), base_url="http://localhost:8501")
    assert client.get(path).status_code == 404
