"""Heatmaps as pictures: a map over its photo, and several networks side by side.

A map is drawn divided by its largest value: equal colours in two pictures mean equal shares of each picture's own maximum,
not equal amounts. 0 is the darkest colour.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdcore.errors import UserError
from kdcore.explain import maps

# Perceptually uniform and safe for colour-blind people.
COLORMAPS = {
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
}
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
INK, PAPER, FAINT = (24, 24, 27), (255, 255, 255), (113, 113, 122)
GAP, LINE = 16, 22  # pixels


class Explained(Protocol):
    """What the sheet draws of an inspection."""

    @property
    def photo(self) -> np.ndarray: ...
    @property
    def heatmap(self) -> np.ndarray: ...
    @property
    def title(self) -> str: ...
    @property
    def map_name(self) -> str: ...
    @property
    def predictions(self) -> Sequence[tuple[str, float]]: ...
    @property
    def problem(self) -> str: ...


def enlarge(heatmap: np.ndarray, side: int) -> np.ndarray:
    """A map [H, W] at [side, side] pixels, from 0 to 1: divided by its maximum, bilinear between the cells' centres
    (what torch calls `align_corners=False`). Raises UserError where it is empty."""
    peak = heatmap.max(initial=0)
    if not np.isfinite(heatmap).all() or peak <= 0:
        raise UserError("There is no map to draw: it is empty or not a number.")
    return cv2.resize((heatmap / peak).astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)


def overlay(photo: np.ndarray, heatmap: np.ndarray, opacity: float = 0.55, colormap: str = "inferno") -> np.ndarray:
    """A map [H, W] in colour over its photo, uint8 [S, S, 3] both in and out; at opacity 1 the map alone."""
    if colormap not in COLORMAPS:
        raise UserError(f"Unknown colour map {colormap!r}. Known: {', '.join(COLORMAPS)}.")
    levels = np.rint(255 * enlarge(heatmap, len(photo))).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, COLORMAPS[colormap]), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(colours, opacity, photo, 1 - opacity, 0)


def comparison_sheet(
    inspections: Sequence[Explained], *, side: int = 320, opacity: float = 0.55, colormap: str = "inferno"
) -> np.ndarray:
    """The photo and each network's map over it, with its predictions: uint8 [height, width, 3].

    A network without a map shows the photo faintly, with the reason.
    """
    photo = cv2.resize(inspections[0].photo, (side, side), interpolation=cv2.INTER_AREA)
    panels = [_panel(photo, "photo", [])]
    for each in inspections:
        lines = [f"{name} {100 * probability:.0f} %" for name, probability in each.predictions[:3]]
        if each.problem:
            faint = cv2.addWeighted(photo, 0.3, np.full_like(photo, 255), 0.7, 0)
            panels.append(_panel(faint, each.title, [f"no map: {each.problem}", *lines]))
        else:
            lines.append(f"map: {maps.card(each.map_name).title}")
            panels.append(_panel(overlay(photo, each.heatmap, opacity, colormap), each.title, lines))
    gap = np.full((len(panels[0]), GAP, 3), 255, np.uint8)
    row = [piece for panel in panels for piece in (panel, gap)][:-1]
    return np.pad(np.hstack(row), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def write_png(picture: np.ndarray, path: Path) -> None:
    """Write uint8 [H, W, 3] as a PNG. Raises UserError where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, "PNG")
    except OSError as error:
        raise UserError(f"Cannot write the picture {path}: {error.strerror or error}.") from None


def _panel(picture: np.ndarray, title: str, lines: Sequence[str]) -> np.ndarray:
    """A picture with a title above and space for four lines below."""
    side = picture.shape[1]
    panel = Image.new("RGB", (side, side + 6 * LINE), PAPER)
    panel.paste(Image.fromarray(picture), (0, LINE + LINE // 2))
    draw = ImageDraw.Draw(panel)
    large, small = ImageFont.load_default(17), ImageFont.load_default(14)
    draw.text((0, 2), _fitted(draw, title, large, side), INK, large)
    below = [piece for line in lines for piece in _wrapped(draw, line, small, side)][:4]
    for row, line in enumerate(below):
        draw.text((0, side + 2 * LINE - 4 + row * (LINE - 2)), line, INK if row == 0 else FAINT, small)
    return np.asarray(panel)


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_fitted(draw, line, font, width) for line in lines]


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    """As much of the text as the width takes."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"
