"""Perturbations by their text: pixels as Pillow has them, spelling, and words."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from kdcore.inspection import perturbations
from kdcore.inspection.preprocessing import DISPLAY

PHOTO = np.random.default_rng(0).integers(0, 256, (DISPLAY, DISPLAY, 3), dtype=np.uint8)
PHOTO[0, 0], PHOTO[0, 1] = 255, 0


def test_no_perturbation_changes_no_pixel():
    np.testing.assert_array_equal(perturbations.perturbed(PHOTO, ""), PHOTO)


def test_a_flip_is_pillow_s():
    expected = np.asarray(ImageOps.mirror(Image.fromarray(PHOTO)))
    np.testing.assert_array_equal(perturbations.perturbed(PHOTO, "flip"), expected)


def test_a_small_photo_is_enlarged_and_a_wide_one_is_cut_to_its_middle_square():
    red = np.zeros((20, 40, 3), np.uint8)
    red[:, 10:30, 0] = 200
    found = perturbations.perturbed(red, "")
    assert found.shape == (DISPLAY, DISPLAY, 3)
    assert (found == (200, 0, 0)).all()


@pytest.mark.parametrize(
    "text, spelling", [("cover27.flip", "flip.cover27"), ("", ""), ("explode", ""), ("flip.flip", "flip")]
)
def test_a_perturbation_has_one_spelling(text, spelling):
    assert perturbations.canonical(text) == spelling


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ""),
        ("flip.down2.scramble4", "flipped, shifted, scrambled"),
        ("right-1", "shifted"),
        ("cover3.blur4.blur9", "1 patch covered, 2 patches blurred"),
    ],
)
def test_a_perturbation_in_words(text, words):
    assert perturbations.in_words(text) == words


@pytest.mark.parametrize("value, pixel", [(0.999, 255), (0.92, 235), (1.2, 255), (-0.2, 0)])
def test_pixels_are_rounded_and_end_at_white_and_black(monkeypatch, value, pixel):
    monkeypatch.setattr(perturbations.perturb, "perturbed", lambda image, words: np.full_like(image, value))
    assert (perturbations.perturbed(PHOTO, "") == pixel).all()


def test_a_text_is_read_up_to_2000_letters():
    assert perturbations.canonical("flip." * 400 + "explode") == "flip"
    assert perturbations.canonical("flip." * 399 + "explode") == ""
