"""The browser's camera: each frame with the networks' maps and predictions of it, as fast as they are computed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from pages.parts.components.loading import component, sent

KEY = "live_camera"
MOST_MB = 4  # of a frozen frame

_component = component(KEY)


@dataclass(frozen=True)
class Watched:
    """A network beside the camera. colour: CSS."""

    title: str
    network: str
    colour: str


def live_camera(
    networks: list[Watched], *, key: str, side: int, fastest: float, on_frozen: Callable[[bytes], None]
) -> None:
    """Draw the camera.

    Args:
        key, side: as `server.camera` gave and was given them.
        fastest: frames a second at most.
        on_frozen: gets a frame as a JPEG file, before the page runs again.
    """
    looks = [{"title": n.title, "network": n.network, "colour": n.colour} for n in networks]
    _component(
        key=KEY,
        data={"looks": looks, "address": f"/api/camera/{key}", "side": side, "fastest": fastest},
        on_frozen_change=lambda: _take(sent(KEY, "frozen", str), on_frozen),
    )


def _take(url: str | None, on_frozen: Callable[[bytes], None]) -> None:
    text = url or ""
    if len(text) > MOST_MB * 2**20:
        return  # no page of ours sends it
    try:
        raw = base64.b64decode(text.partition("base64,")[2], validate=True)
    except ValueError:
        return
    if raw:
        on_frozen(raw)
