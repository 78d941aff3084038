"""What the presenter shows, as JSON.

GET /api/stage         the state
WS /api/stage/live     the state, and each later one when it changes; the server listens to nothing there
POST /api/stage        the presenter's window keeps it up to date; its secret is in the header X-Window
"""

import asyncio
import json
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from kdcore.errors import NotAllowed, UserError
from pages.parts import engine
from pages.parts.roles import role
from pages.parts.stage.state import stage

LARGEST = 8192  # bytes of a message
MOST_FOLLOWERS = 1000  # connections at once
LOOK_SECONDS = 0.5  # between two looks at what no presenter sends: the run that trains, who presents
TRY_AGAIN_LATER = 1013  # a websocket's code


def _state() -> tuple[str, str]:
    active = engine.runner().active()
    return stage.text(active[0] if active else "")


async def current(request: Request) -> Response:
    return Response(_state()[1], media_type="application/json", headers={"Cache-Control": "no-store"})


class Turn:
    """A follower's turn to take notice of changes; while it waits for one, it takes notice of no other."""

    def __init__(self) -> None:
        self.now = asyncio.Event()
        self.waiting = 0  # for so many changes

    def after(self, seconds: float) -> None:
        self.waiting += 1
        asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self.waiting -= 1
        self.now.set()


async def follow(socket: WebSocket) -> None:
    """Ends with the connection, or with the first message from it."""
    if stage.followers >= MOST_FOLLOWERS:
        await socket.close(TRY_AGAIN_LATER, "Too many windows follow.")
        return
    await socket.accept()
    turn, loop = Turn(), asyncio.get_running_loop()
    ended = asyncio.ensure_future(socket.receive())
    sent = ""
    with stage.watched(lambda seconds: loop.call_soon_threadsafe(turn.after, seconds)):
        try:
            while not ended.done():
                turn.now.clear()
                version, text = _state()
                if version != sent and not turn.waiting:
                    await socket.send_text(text)
                    sent = version
                await _first(ended, turn.now)
            if ended.result()["type"] != "websocket.disconnect":
                await socket.close()
        except WebSocketDisconnect:
            pass  # while something was sent
        finally:
            ended.cancel()


async def _first(ended: asyncio.Future[Message], changed: asyncio.Event) -> None:
    """Wait for the end, a change, or the time of the next look."""
    change = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({ended, change}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()


async def show(request: Request) -> Response:
    """Role, Host and Origin are checked: a page of another address cannot send this header."""
    window = role.windows.by_secret(request.headers.get("x-window", ""))
    try:
        if window is None:  # before anything is read
            raise NotAllowed("Only the window of the presenter can do this.")
        stage.show(window, json.loads(await _body(request)))
    except NotAllowed as error:
        return JSONResponse({"error": str(error)}, 403)
    except UserError as error:
        return JSONResponse({"error": str(error)}, 400)
    except (ValueError, RecursionError):
        return JSONResponse({"error": "A view is sent as JSON."}, 400)
    except ClientDisconnect:
        return Response(status_code=400)
    return Response(status_code=204)


async def _body(request: Request) -> bytes:
    """Raises UserError where it is too long, without reading the rest."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise UserError(f"A view has at most {LARGEST:,} bytes.")
    return body


ROUTES: Sequence[BaseRoute] = (
    Route("/api/stage", current, methods=["GET"]),
    WebSocketRoute("/api/stage/live", follow),
    Route("/api/stage", show, methods=["POST"]),
)
