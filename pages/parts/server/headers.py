"""Headers of every response: a Content-Security-Policy, and no guessed types, foreign frames, or addresses sent to other sites."""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.parts.server import hosts

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
OTHERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), clipboard-read=(self), clipboard-write=(self), fullscreen=(self), "
     "geolocation=(), microphone=(), usb=(), serial=(), payment=(), display-capture=()"),
)  # fmt: skip


@lru_cache(maxsize=64)
def policy(host: str) -> str:
    """The Content-Security-Policy: nothing of any other address. `host` is the app's own, for websockets; it may be empty.

    Scripts: those of Streamlit; `blob:` is how it loads the pages' components. No `unsafe-eval`: charts are interpreted.
    Styles: Streamlit and KaTeX write them into the page.
    """
    sockets = f" ws://{host} wss://{host}" if host else ""
    return "; ".join([
        "default-src 'self'",
        f"script-src 'self' blob: {' '.join(_inline_scripts())}".rstrip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        f"connect-src 'self' data: blob:{sockets}",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ])  # fmt: skip


def _inline_scripts() -> list[str]:
    """The hashes of the scripts in Streamlit's page; another one is refused by the browser."""
    found = INLINE.findall(INDEX.read_text(encoding="utf-8"))
    digests = (hashlib.sha256(script.encode()).digest() for script in found)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class SecureHeaders:
    """Middleware: adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (("Content-Security-Policy", policy(_host(scope))), *OTHERS):
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _host(scope: Scope) -> str:
    """The requested host where it is one of the app's own, which bounds how many policies there are."""
    address = hosts.parse(Headers(scope=scope).get("host", ""))
    return str(address) if address and hosts.server(scope).answers_at(address, scope.get("scheme", "http")) else ""
