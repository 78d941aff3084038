"""The part of a photo that networks see: its middle square, a square that the visitor moved, or the whole photo with a border."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.parts.components.photo_crop.photo_crop import photo_crop

PARAMETER = "crop"  # in the address: "x,y,size", or WHOLE; nothing for the middle square
WHOLE = "whole"
SMALLEST = 0.2  # side of a square as a share of the photo's shorter side
NOTICED = 0.01  # share of a photo that is cut off; less is not mentioned


@dataclass(frozen=True)
class Square:
    """A square of a photo.

    x, y: its centre as fractions of width and height.
    size: its side as a fraction of the shorter side.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0

    def __str__(self) -> str:
        return f"{self.x:.3f},{self.y:.3f},{self.size:.3f}"


MIDDLE = Square()


def parsed(text: str) -> Square | str:
    """The frame that an address names; of any other text the middle square."""
    if text == WHOLE:
        return WHOLE
    try:
        x, y, size = (float(part) for part in text.split(","))
    except ValueError:
        return MIDDLE
    if not all(map(math.isfinite, (x, y, size))):
        return MIDDLE
    return Square(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), min(max(size, SMALLEST), 1.0))


def box(width: int, height: int, square: Square) -> tuple[int, int, int]:
    """Left, top and side of a square in pixels, moved so that it lies inside the photo."""
    side = max(1, round(min(width, height) * square.size))
    left = min(max(round(width * square.x - side / 2), 0), width - side)
    top = min(max(round(height * square.y - side / 2), 0), height - side)
    return left, top, side


def framed(pixels: np.ndarray, frame: Square | str) -> np.ndarray:
    """The square uint8 [S, S, 3] of a photo [H, W, 3]. The border around a whole photo has the photo's mean colour."""
    height, width = pixels.shape[:2]
    if isinstance(frame, Square):
        left, top, side = box(width, height, frame)
        return np.ascontiguousarray(pixels[top : top + side, left : left + side])
    side = max(height, width)
    whole = np.empty((side, side, 3), np.uint8)
    whole[:] = pixels.reshape(-1, 3).mean(axis=0).round()
    top, left = (side - height) // 2, (side - width) // 2
    whole[top : top + height, left : left + width] = pixels
    return whole


def in_words(pixels: np.ndarray, frame: Square | str) -> str:
    """What networks see of the photo; empty where that is all of it, without a border."""
    height, width = pixels.shape[:2]
    if frame == WHOLE:
        return "Networks see the whole photo, with a border in its mean colour." if height != width else ""
    if not isinstance(frame, Square):
        return ""
    left, top, side = box(width, height, frame)
    lost = 1 - side * side / (height * width)
    if lost < NOTICED:
        return ""
    middle = (left, top, side) == box(width, height, MIDDLE)
    return f"Networks see {'the middle square' if middle else 'the chosen square'}: {100 * lost:.0f} % of the photo is cut off."


def current() -> Square | str:
    """The frame in the address."""
    return parsed(st.query_params.get(PARAMETER, ""))


def offer(pixels: np.ndarray) -> None:
    """A button that opens the photo with the square to move, to resize, or to give up for the whole photo."""
    with st.popover("Crop", icon=":material/crop:", key="crop-open", on_change="rerun") as opened:
        if opened.open:
            photo_crop(pixels, current(), _remember, smallest=SMALLEST)


def _remember(frame: str) -> None:
    frame_now = parsed(frame)
    if frame_now == MIDDLE:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(frame_now)
