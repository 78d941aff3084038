import numpy as np
import pytest

from kdcore.explain.perturb import GRID, Perturbation, parse, perturbed, scrambled


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).random((32, 32, 3), np.float32)


def test_nothing_done_leaves_the_picture(picture):
    np.testing.assert_array_equal(perturbed(picture, Perturbation()), picture)


def test_a_covered_patch_takes_the_mean_colour_and_the_rest_stays(picture):
    before = picture.copy()
    found = perturbed(picture, Perturbation(cover=(10,)))  # row 1, column 2 of 8 x 8, so 4 pixels a patch
    np.testing.assert_allclose(found[4:8, 8:12], np.broadcast_to(picture.mean(axis=(0, 1)), (4, 4, 3)), rtol=1e-5)
    found[4:8, 8:12] = picture[4:8, 8:12]
    np.testing.assert_array_equal(found, picture)
    np.testing.assert_array_equal(picture, before)


def test_a_blurred_patch_keeps_its_colour_but_not_its_grain(picture):
    found = perturbed(picture, Perturbation(blur=(0, 63)))
    assert found[:4, :4].std() < 0.3 * picture[:4, :4].std()
    np.testing.assert_array_equal(found[8:24, 8:24], picture[8:24, 8:24])


def test_flip_and_shift_move_pixels_and_change_none(picture):
    np.testing.assert_array_equal(perturbed(picture, Perturbation(flip=True))[5, 3], picture[5, 28])
    shifted = perturbed(picture, Perturbation(right=1, down=-2))  # 4 pixels to the right, 8 up
    np.testing.assert_array_equal(shifted[0, 4], picture[8, 0])
    np.testing.assert_array_equal(shifted[0, 0], picture[8, 28])  # what leaves comes back


@pytest.mark.parametrize("tiles", [2, 4, 8])
def test_scrambling_moves_every_tile_and_loses_none(tiles):
    numbered = np.arange(tiles * tiles, dtype=np.float32).reshape(tiles, tiles)
    picture = np.repeat(np.repeat(numbered, 32 // tiles, 0), 32 // tiles, 1)[..., None].repeat(3, 2)
    found = scrambled(picture, tiles)
    assert not (found == picture).any()
    assert sorted(np.unique(found)) == sorted(numbered.ravel())
    np.testing.assert_array_equal(scrambled(picture, tiles), found)


def test_scrambling_leaves_what_is_beyond_the_last_whole_tile(picture):
    found = scrambled(picture[:30, :30], 4)
    np.testing.assert_array_equal(found[28:], picture[28:30, :30])


@pytest.mark.parametrize("text", ["", "flip", "flip.right2.down-1.scramble4.blur3.blur9.cover0.cover63", "cover12"])
def test_a_perturbation_as_text_and_back(text):
    assert str(parse(text)) == text


def test_a_patch_named_twice_is_covered_once():
    assert parse("cover5.cover4.cover5") == Perturbation(cover=(4, 5))


@pytest.mark.parametrize("text", ["cover64", "right9", "scramble3", "shout", "flip7", "cover1;drop"])
def test_an_unknown_word_is_refused_with_those_that_are_known(text):
    with pytest.raises(ValueError, match="Unknown perturbation .* Known: flip, right1"):
        parse(text)


def test_only_squares_are_perturbed(picture):
    for wrong in (picture[:20], picture[..., 0], picture[: GRID - 1, : GRID - 1]):
        with pytest.raises(ValueError, match="should be square"):
            perturbed(wrong, Perturbation())
