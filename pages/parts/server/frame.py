"""Adds a script and a style to Streamlit's page: the server's address, the history, a note while it is gone, contrast.

Without it, the browser first looks for the server beneath the address of a page (`/train/_stcore/health`), two errors in its
console at each link, and a server that is gone is announced by “streamlit run yourscript.py” over whatever is shown.
Leaving a page would add a step to the browser's history, so that Back would not lead to what was seen there.
"""

from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.parts import page_table

FOLDER = Path(__file__).parent
TYPES = {"frame.js": "text/javascript", "frame.css": "text/css"}
BEFORE = b"<script"  # the first one of the page


class Framed:
    """Middleware: adds the script to the page. Its address is relative, so that a proxy may serve the app beneath another."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_page(scope["path"]):
            await self.app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def framing(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 200 and Headers(raw=message["headers"]).get("content-type", "").startswith(
                    "text/html"
                ):
                    start.append(message)
                    return
            elif start and message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body", "body": with_script(bytes(body))}
                MutableHeaders(raw=start[0]["headers"])["content-length"] = str(len(message["body"]))
                await send(start[0])
            await send(message)

        await self.app(_plain(scope), receive, framing)


def with_script(page: bytes) -> bytes:
    """The page with the script before its first one, and with the style."""
    known = " ".join(filter(None, page_table.addresses())).encode()
    return page.replace(
        BEFORE,
        b'<script src="./frame.js" data-pages="'
        + known
        + b'"></script><link rel="stylesheet" href="./frame.css">'
        + BEFORE,
        1,
    )


def file(request: Request) -> Response:
    name = request.url.path.rpartition("/")[2]
    return Response((FOLDER / name).read_bytes(), media_type=TYPES[name], headers={"Cache-Control": "no-cache"})


def _is_page(path: str) -> bool:
    return path.rstrip("/").rpartition("/")[2] in page_table.addresses()


def _plain(scope: Scope) -> Scope:
    """The request for the page as bytes that can be added to: neither compressed nor left to the server to send."""
    extensions = {
        name: value for name, value in scope.get("extensions", {}).items() if name != "http.response.pathsend"
    }
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
    return {**scope, "extensions": extensions, "headers": headers}


ROUTES = tuple(Route(f"/{name}", file) for name in TYPES)
