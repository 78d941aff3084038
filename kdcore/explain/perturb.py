"""Perturbations of an image: patches covered or blurred, the image flipped, shifted or scrambled.

Everything happens to pixels in [0, 1], before any network's own size and statistics, so all networks see the same change.
"""

import re
from dataclasses import dataclass

import cv2
import numpy as np

from kdcore.errors import UserError

GRID = 8  # patches a side of the image, whatever the networks' own grids are
STEPS = 4  # an image is shifted by at most so many patches
TILES = (2, 4, 8)  # a side, when it is scrambled
BLUR = 1 / 16  # standard deviation of the blur, as a share of the side: no detail of the size of a patch is left

_WORD = re.compile(r"(flip)|(cover|blur)([0-9]{1,2})|(right|down)(-?[0-9])|(scramble)([0-9])")


@dataclass(frozen=True)
class Perturbation:
    """What is done to an image, in this order: flipped, shifted, scrambled, then patches blurred and covered.

    cover, blur: numbers of patches on the grid of 8 x 8, row by row.
    right, down: patches to shift by; what leaves on one side comes back on the other.
    scramble: tiles a side that are shuffled, always in the same way; 0 for none.
    """

    flip: bool = False
    right: int = 0
    down: int = 0
    scramble: int = 0
    blur: tuple[int, ...] = ()
    cover: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As in an address: `flip.right2.scramble4.blur9.cover27.cover28`; empty for none."""
        words = ["flip"] if self.flip else []
        words += [f"{name}{value}" for name in ("right", "down", "scramble") if (value := getattr(self, name))]
        words += [f"{name}{patch}" for name in ("blur", "cover") for patch in getattr(self, name)]
        return ".".join(words)


def parse(text: str) -> Perturbation:
    """The perturbation that a text names, as `str` gives it. Raises UserError at an unknown word."""
    found: dict[str, int] = {}
    patches: dict[str, set[int]] = {"blur": set(), "cover": set()}
    for word in filter(None, text.split(".")):
        match = _WORD.fullmatch(word)
        name, number = _parts(match) if match else ("", 0)
        if name in patches and number < GRID**2:
            patches[name].add(number)
        elif (
            name == "flip"
            or (name in ("right", "down") and abs(number) <= STEPS)
            or (name == "scramble" and number in TILES)
        ):
            found[name] = number
        else:
            raise UserError(
                f"Unknown perturbation {word[:20]!r}. Known: flip, right1 and down1 (to {STEPS}, or minus), "
                f"scramble{', scramble'.join(map(str, TILES))}, blur0 and cover0 (to {GRID**2 - 1}); joined by dots."
            )
    return Perturbation(
        flip="flip" in found, right=found.get("right", 0), down=found.get("down", 0), scramble=found.get("scramble", 0),
        blur=tuple(sorted(patches["blur"])), cover=tuple(sorted(patches["cover"])),
    )  # fmt: skip


def perturbed(pixels: np.ndarray, perturbation: Perturbation) -> np.ndarray:
    """A perturbed copy of an image, float32 [S, S, 3] in [0, 1].

    Covered patches take the image's mean colour, so that no new edge is darker or brighter than the image.
    """
    side = pixels.shape[0]
    if pixels.shape != (side, side, 3) or side < GRID:
        raise UserError(f"The image should be square, [S, S, 3] with S >= {GRID}, not {list(pixels.shape)}.")
    edges = np.arange(GRID + 1) * side // GRID
    found = pixels[:, ::-1] if perturbation.flip else pixels
    found = np.roll(
        found, (round(perturbation.down * side / GRID), round(perturbation.right * side / GRID)), axis=(0, 1)
    )
    if perturbation.scramble:
        found = scrambled(found, perturbation.scramble)
    found, mean = np.ascontiguousarray(found).copy(), pixels.mean(axis=(0, 1))
    blurred = cv2.GaussianBlur(found, (0, 0), BLUR * side) if perturbation.blur else found
    for patch in perturbation.blur:
        place = _place(patch, edges)
        found[place] = blurred[place]
    for patch in perturbation.cover:
        found[_place(patch, edges)] = mean
    return found


def scrambled(pixels: np.ndarray, tiles: int) -> np.ndarray:
    """The image's tiles in another order, none in its own place; pixels beyond the last whole tile stay."""
    side = pixels.shape[0] // tiles
    count, found = tiles * tiles, pixels.copy()
    order = np.random.default_rng(tiles).permutation(count)  # round one cycle, so that each tile moves
    for here, there in zip(order, np.roll(order, 1), strict=True):
        (row, column), (from_row, from_column) = divmod(int(here), tiles), divmod(int(there), tiles)
        found[row * side : (row + 1) * side, column * side : (column + 1) * side] = pixels[
            from_row * side : (from_row + 1) * side, from_column * side : (from_column + 1) * side
        ]
    return found


def _parts(match: re.Match[str]) -> tuple[str, int]:
    flip, patch, number, shift, by, scramble, tiles = match.groups()
    return (flip or patch or shift or scramble), int(number or by or tiles or 0)


def _place(patch: int, edges: np.ndarray) -> tuple[slice, slice]:
    row, column = divmod(patch, GRID)
    return slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])
