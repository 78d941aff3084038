"""Perturbations of a photo, from their text in an address to pixels and to words."""

import numpy as np

from kdcore.errors import UserError
from kdcore.explain import perturb
from kdcore.inspection.preprocessing import DISPLAY, square


def canonical(text: str) -> str:
    """A perturbation in its one spelling, such as `flip.cover27`; "" where the words are not known."""
    try:
        return str(perturb.parse(text[:2000]))
    except UserError:
        return ""


def perturbed(pixels: np.ndarray, text: str) -> np.ndarray:
    """The square of a photo that networks see, perturbed: uint8 [H, W, 3] -> uint8 [S, S, 3]. Raises UserError at an unknown word."""
    shown = square(pixels)
    if shown.size[0] < DISPLAY:  # so that a patch has enough pixels to be blurred
        shown = shown.resize((DISPLAY, DISPLAY))
    changed = perturb.perturbed(np.asarray(shown, dtype=np.float32) / 255, perturb.parse(text))
    return np.asarray(np.rint(255 * changed.clip(0, 1)), dtype=np.uint8)


def in_words(text: str) -> str:
    """`flipped, scrambled, 3 patches covered`; "" for none."""
    done = perturb.parse(text)
    words = [
        word
        for word, on in (("flipped", done.flip), ("shifted", done.right or done.down), ("scrambled", done.scramble))
        if on
    ]
    for count, what in ((len(done.cover), "covered"), (len(done.blur), "blurred")):
        words += [f"{count} {'patch' if count == 1 else 'patches'} {what}"] if count else []
    return ", ".join(words)
