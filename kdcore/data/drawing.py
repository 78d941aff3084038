"""One `cues` picture: a shape, filled with a texture, over a calm background. Drawn by code from a random generator.

Lengths are in units of the picture's side, so a picture looks the same at any size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Field = np.ndarray  # [S, S] float32

# Background from and to, then pairs of inks that stand out from it and from each other. Chosen by hand.
PALETTES = (
    ("faf3e7", "efdfc6", (("0f4c5c", "e36414"), ("7a1f3d", "dd8a3c"), ("1f3a5f", "c8553d"))),  # sand
    ("eef4f7", "d3e2ea", (("12355b", "d1495b"), ("1b6b78", "e8833a"), ("44337a", "e0709a"))),  # mist
    ("f3f6ea", "dbe5c6", (("1f4d36", "c9672c"), ("20504f", "b83b5e"), ("5a3a1e", "5f9e3c"))),  # meadow
    ("fbeeee", "f1d6d8", (("5b1a4a", "e2725b"), ("9b1d3a", "3d7ea6"), ("2c3e66", "d9577a"))),  # blossom
    ("f1edf8", "dbd3ec", (("3b1f6b", "d9822b"), ("1d4e89", "c43b7c"), ("4a2545", "7a6fd0"))),  # lilac
    ("f7f2df", "ecdfae", (("1a3b4c", "d1533c"), ("54307a", "2f9c95"), ("283618", "bc6c25"))),  # straw
    ("14263d", "24425f", (("f4d58d", "e76f51"), ("8fd3e8", "f2f0e6"), ("ff9f68", "f7e3c4"))),  # night
    ("15342f", "24524a", (("f2e8cf", "e4a13a"), ("a7dcc0", "f08a5d"), ("ffd166", "f6f4e8"))),  # forest
    ("2d1f3d", "46325c", (("ffc8a2", "e56b8a"), ("c3b5f5", "fff1d6"), ("7fd8c8", "f9d56e"))),  # dusk
    ("33241d", "513a2d", (("f6dfb3", "e07a3f"), ("a8d5ba", "f4f1de"), ("f2b8a0", "fff3df"))),  # cocoa
)


RIBBON = 0.86  # how much of the background is in the colour of the ribbon that passes over some shapes
MARGIN = 0.03  # a shape keeps so far from the picture's border


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray  # uint8 [size, size, 3]
    mask: np.ndarray  # bool [size, size]: where the object is seen


def draw(shape: int, texture: int, size: int, random: np.random.Generator) -> Picture:
    """Draw a picture.

    Args:
        shape, texture: places in SHAPES and TEXTURES.
        random: decides all else; the same generator gives the same picture.
    """
    fine = size * (2 if size < 128 else 1)  # fine textures need it in a small picture
    background_from, background_to, inks = PALETTES[random.integers(len(PALETTES))]
    ink, other = (_colour(code) for code in inks[random.integers(len(inks))][:: random.choice((-1, 1))])
    radius = random.uniform(0.26, 0.36)
    outline, centre = _placed(list(SHAPES.values())[shape], radius, random)
    cover = _filled(outline, size)  # 1 where the shape is
    pattern = _small(_texture(texture, fine, centre, random), size)
    across, down = _grid(size)
    towards = random.uniform(0, 2 * np.pi)
    slope = 0.5 + 0.7 * ((across - 0.5) * np.cos(towards) + (down - 0.5) * np.sin(towards))
    canvas = _mixed(_colour(background_from), _colour(background_to), slope)
    canvas = canvas * (1 - 0.3 * _shadow(cover, size))[..., None]
    light = 1.06 - 0.16 * (down - centre[1] + radius) / (2 * radius)  # a little lighter at the top
    canvas += cover[..., None] * (_mixed(ink, other, pattern) * light[..., None] - canvas)

    if random.random() < 0.35:  # a plain ribbon passes over the shape's side
        ribbon = _filled([_ribbon(centre, radius, random)], size)
        colour = RIBBON * _colour(background_to) + (1 - RIBBON) * (0 if _is_light(background_to) else 255)
        canvas *= (1 - 0.22 * _shadow(ribbon, size))[..., None]
        canvas += ribbon[..., None] * (colour - canvas)
        cover = cover * (1 - ribbon)
    return Picture(np.clip(canvas + 0.5, 0, 255).astype(np.uint8), cover > 0.5)


# --- shapes: closed outlines [k, 2] that reach about 1 from their middle; where two overlap is a hole ---


def _polar(radii: list[float], start: float = -90.0) -> np.ndarray:
    angles = np.radians(start + 360 * np.arange(len(radii)) / len(radii))
    return np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _points(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points)


def _crescent() -> np.ndarray:
    """A disc less another disc that is moved to the right: the rim from tip to tip, and back along the bite."""
    rim = np.radians(np.linspace(50, 310, 60))
    middle, tip = 0.45, np.array([np.cos(rim[-1]), np.sin(rim[-1])])
    from_middle = np.arctan2(tip[1], tip[0] - middle)
    bite = np.linspace(from_middle, -2 * np.pi - from_middle, 40)
    reach = np.hypot(tip[0] - middle, tip[1])
    back = np.stack([middle + reach * np.cos(bite), reach * np.sin(bite)], 1)
    return np.concatenate([np.stack([np.cos(rim), np.sin(rim)], 1), back]) + (0.25, 0)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    down = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([16 * np.sin(t) ** 3, down - 2], 1) / 16.5


SHAPES: dict[str, list[np.ndarray]] = {
    "circle": [_polar([0.92] * 64)],
    "triangle": [_polar([1.1] * 3) + (0, 0.2)],
    "square": [_polar([1.12] * 4, start=45)],
    "star": [_polar([1.15, 0.46] * 5)],
    "cross": [_points((-.34, -1), (.34, -1), (.34, -.34), (1, -.34), (1, .34), (.34, .34), (.34, 1), (-.34, 1), (-.34, .34),
                      (-1, .34), (-1, -.34), (-.34, -.34))],
    "crescent": [_crescent()],
    "heart": [_heart()],
    "arrow": [_points((1.1, 0), (.1, .95), (.1, .38), (-1.05, .38), (-1.05, -.38), (.1, -.38), (.1, -.95))],
    "ring": [_polar([1.0] * 64), _polar([0.5] * 48)],
    "hourglass": [_points((-.85, -1), (.85, -1), (.16, 0), (.85, 1), (-.85, 1), (-.16, 0))],
}  # fmt: skip


def _placed(
    outline: list[np.ndarray], radius: float, random: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """The outline turned by up to 30 degrees either way, squeezed a little, somewhere in the picture; and its middle."""
    angle = np.radians(random.uniform(-30, 30))
    squeeze = random.uniform(0.88, 1.12)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = [(points * (squeeze, 1 / squeeze)) @ turn * radius for points in outline]
    fit = min(1.0, 0.95 * (1 - 2 * MARGIN) / np.ptp(turned[0], axis=0).max())  # the long ones may be too large
    lowest, highest = fit * turned[0].min(0), fit * turned[0].max(0)
    centre = random.uniform(MARGIN - lowest, 1 - MARGIN - highest)
    return [fit * points + centre for points in turned], centre


def _ribbon(centre: np.ndarray, radius: float, random: np.random.Generator) -> np.ndarray:
    """A band across the whole picture that covers some of the shape's side: [4, 2]."""
    angle = random.uniform(0, 2 * np.pi)
    along, aside = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    near = random.uniform(0.4, 0.7) * radius
    far = near + random.uniform(0.2, 0.3) * radius
    return np.stack([centre + near * aside - 2 * along, centre + near * aside + 2 * along,
                     centre + far * aside + 2 * along, centre + far * aside - 2 * along])  # fmt: skip


# --- textures: [S, S] in [0, 1], how much of the second ink; u and v count periods, `sharp` is pixels in one ---


def _texture(number: int, size: int, centre: np.ndarray, random: np.random.Generator) -> Field:
    period = random.uniform(0.12, 0.16)
    angle = random.uniform(0, 2 * np.pi)
    across, down = _grid(size)
    x, y = across - np.float32(centre[0]), down - np.float32(centre[1])
    cos, sin = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
    shift = random.uniform(0, 1, 2).astype(np.float32)
    return list(TEXTURES.values())[number](
        x * cos + y * sin + shift[0], y * cos - x * sin + shift[1], period * size, random
    )


def _step(distance: Field, sharp: float) -> Field:
    """0 below zero, 1 above, and in between over one pixel."""
    return np.clip(distance * np.float32(sharp) + np.float32(0.5), 0, 1)


def _fold(u: Field) -> Field:
    """Distance to the nearest whole number, 0 to 0.5."""
    return np.abs(u - np.rint(u))


def _stripes(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return _step(_fold(u) - 0.25, sharp)


def _dots(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    row = np.rint(v)
    return _step(0.33 - np.sqrt(_fold(u + 0.5 * row) ** 2 + (v - row) ** 2), sharp)


def _checks(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    even, odd = _step(_fold(u / 2) * 2 - 0.5, sharp), _step(_fold(v / 2) * 2 - 0.5, sharp)
    return even + odd - 2 * even * odd


def _waves(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return _step(_fold(u + 0.32 * np.sin(np.float32(np.pi) * v)) - 0.25, sharp)


def _zigzag(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return _step(_fold(u + 2 * _fold(v / 1.5)) - 0.25, sharp)


def _bricks(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    v = v * np.float32(0.8)
    row = np.floor(v)
    mortar = np.minimum(_fold(v), 2 * _fold(u / 2.4 + 0.5 * row))
    return _step(0.1 - mortar, sharp)


def _patches(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    size = len(u)
    coarse = random.random((int(size / sharp * 1.6) + 2,) * 2, dtype=np.float32)
    return _step(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) - 0.56, 1.2 * sharp)


def _rings(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return _step(_fold(np.sqrt(u * u + v * v)) - 0.25, sharp)


def _grid_lines(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return _step(0.13 - np.minimum(_fold(u), _fold(v)), sharp)


def _gradient(u: Field, v: Field, sharp: float, random: np.random.Generator) -> Field:
    return np.clip(0.5 + u * np.float32(0.22), 0, 1)


TEXTURES: dict[str, Callable[[Field, Field, float, np.random.Generator], Field]] = {
    "stripes": _stripes, "dots": _dots, "checks": _checks, "waves": _waves, "zigzag": _zigzag,
    "bricks": _bricks, "patches": _patches, "rings": _rings, "grid": _grid_lines, "gradient": _gradient,
}  # fmt: skip


# --- pixels ---


def _filled(outline: list[np.ndarray], size: int) -> Field:
    """Where the outline is, 0 to 1: the share of each pixel, by 4 x 4 (OpenCV's own soft edges wobble)."""
    canvas = np.zeros((4 * size, 4 * size), dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint((part * 4 * size - 0.5) * 16).astype(np.int32) for part in outline], 255, shift=4)
    return _small(canvas, size).astype(np.float32) * np.float32(1 / 255)


def _shadow(cover: Field, size: int) -> Field:
    """The cover, blurred and moved down a little."""
    move = np.array([[1, 0, 0.012 * size], [0, 1, 0.028 * size]], dtype=np.float32)
    return cv2.GaussianBlur(cv2.warpAffine(cover, move, (size, size)), (0, 0), 0.028 * size)


def _small(field: Field, size: int) -> Field:
    return field if len(field) == size else cv2.resize(field, (size, size), interpolation=cv2.INTER_AREA)


def _grid(size: int) -> tuple[Field, Field]:
    """Where the pixels are: [1, S] across and [S, 1] down, 0 to 1."""
    places = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return places[None], places[:, None]


def _colour(code: str) -> np.ndarray:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32)


def _is_light(code: str) -> bool:
    return bool(_colour(code).mean() > 128)


def _mixed(first: np.ndarray, second: np.ndarray, part: Field) -> np.ndarray:
    """[S, S, 3]: the first colour where `part` is 0, the second where it is 1."""
    return first + np.clip(part, 0, 1)[..., None].astype(np.float32) * (second - first)
