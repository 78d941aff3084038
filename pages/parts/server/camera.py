"""Frames of a browser's camera: each is answered with the networks' maps of it, without a rerun of the page.

POST /api/camera/{key}   a square frame as raw RGB bytes -> classes, probabilities and maps as JSON

The key is random, and a page gives it to its own window alone; it stands for that visit, its role, its quota and the networks
that it has chosen. A frame has one fixed size, so nothing is decoded. One frame a camera is computed at a time: there is no queue.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit import runtime

from kdcore.errors import NotAllowed, UserError
from pages.parts import engine
from pages.parts.components import pictures
from pages.parts.roles import role

if TYPE_CHECKING:
    from kdcore.inspection import Glance

LARGEST = 224  # pixels a side of a frame
AT_ONCE = 4  # cameras of visitors; the operator's is always taken
IDLE_SECONDS = 5.0  # after which a camera without a new frame makes room for another
MOST_KEYS = 1000
MOST_TIMES = 8  # times a map's average: the end of the scale of its bytes


@dataclass(eq=False)
class Camera:
    """What a key stands for. side: pixels of its frames; last: when its last frame arrived, monotonic."""

    key: str
    visit: str
    references: tuple[str, ...] = ()
    map_name: str | None = None
    side: int = 0
    last: float = -1e9
    computing: threading.Lock = field(default_factory=threading.Lock)


class Refused(Exception):
    """A frame that is not computed: the status, the reason in a sentence, and after how many seconds to try again."""

    def __init__(self, status: int, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.status, self.seconds = status, seconds

    def response(self) -> Response:
        headers = {"Retry-After": f"{self.seconds:.0f}"} if self.seconds else None
        return JSONResponse({"error": str(self)}, self.status, headers)


_cameras: OrderedDict[str, Camera] = OrderedDict()  # key -> camera
_lock = threading.Lock()


def key_for(references: Sequence[str], map_name: str | None, side: int) -> str:
    """The key of the current visit's camera, which shows these networks from now on. side: pixels of its frames."""
    with _lock:
        camera = next((each for each in _cameras.values() if each.visit == role.visit()), None)
        if camera is None:
            camera = Camera(secrets.token_urlsafe(24), role.visit())
            _cameras[camera.key] = camera
            while len(_cameras) > MOST_KEYS:
                _cameras.popitem(last=False)
        camera.references, camera.map_name, camera.side = tuple(references), map_name, min(side, LARGEST)
        return camera.key


async def frame(request: Request) -> Response:
    try:
        camera = _admitted(str(request.path_params["key"]))
        side = camera.side  # the page may change it meanwhile
        size = side * side * 3
        if request.headers.get("content-length") != str(size):
            raise Refused(413, f"A frame is {side} x {side} pixels of RGB, {size:,} bytes. Reload the page.")
        if not camera.computing.acquire(blocking=False):
            raise Refused(409, "The last frame of this camera is still being computed.")
        try:
            pixels = np.frombuffer(await _body(request, size), np.uint8).reshape(side, side, 3)
            return JSONResponse(await run_in_threadpool(_answer, camera, pixels))
        finally:
            camera.computing.release()
    except Refused as refused:
        return refused.response()
    except ClientDisconnect:
        return Response(status_code=400)


def _admitted(key: str) -> Camera:
    """The camera of this key, where it may send a frame now. Raises Refused."""
    now = time.monotonic()
    with _lock:
        camera = _cameras.get(key)
        if camera is None or not _is_here(camera.visit):
            raise Refused(404, "This window's connection has ended. Reload the page.")
        others = (each for each in _cameras.values() if each is not camera and not role.operates(each.visit))
        used = sum(now - each.last < IDLE_SECONDS for each in others)
        if used >= AT_ONCE and not role.operates(camera.visit):
            raise Refused(
                503, f"{AT_ONCE} cameras are in use, as many as this server takes. Another one may stop soon.", 5
            )
        camera.last = now
        return camera


def _is_here(visit: str) -> bool:
    return not runtime.exists() or runtime.get_instance().is_active_session(visit)


async def _body(request: Request, size: int) -> bytes:
    """The frame; no more than was announced is kept."""
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > size:
            break
    if len(received) != size:
        raise Refused(413, f"The frame has not the {size:,} bytes that were announced.")
    return bytes(received)


def _answer(camera: Camera, pixels: np.ndarray) -> dict[str, Any]:
    """Raises Refused."""
    try:
        with role.acting_for(camera.visit):
            found = engine.camera_frame(pixels, camera.references, camera.map_name)
    except NotAllowed as error:
        raise Refused(429, str(error), 2) from None
    except UserError as error:
        raise Refused(422, str(error), 2) from None
    return {
        "most": MOST_TIMES,
        "networks": [
            {
                "method": _titled(each), "class": each.prediction, "probability": round(each.probability, 4), "problem": each.problem,
                "grid": each.heatmap.shape, "values": pictures.packed(pictures.density(each.heatmap), MOST_TIMES),
            }
            for each in found
        ],
    }  # fmt: skip


def _titled(found: Glance) -> str:
    from kdcore import inspection

    card = inspection.map_card(found.map_name)
    return f"{card.title} for {found.prediction}" if card.explains_class else card.title


ROUTES: Sequence[Route] = (Route("/api/camera/{key}", frame, methods=["POST"]),)
