"""The square of a photo that networks see: moved, resized, or the whole photo with a border."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.attention import framing
from pages.parts.attention.framing import MIDDLE, WHOLE, Square, box, framed, in_words, parsed


def photo(width, height):
    """Red counts the columns, green the rows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = np.arange(width)
    pixels[:, :, 1] = np.arange(height)[:, None]
    return pixels


def test_the_middle_square_by_default():
    square = framed(photo(30, 20), MIDDLE)
    assert square.shape == (20, 20, 3)
    assert square[0, :, 0].tolist() == list(range(5, 25))
    assert square[:, 0, 1].tolist() == list(range(20))


def test_a_square_at_the_right_edge():
    square = framed(photo(30, 20), Square(1.0, 0.0, 0.5))
    assert square[0, :, 0].tolist() == list(range(20, 30))
    assert square[:, 0, 1].tolist() == list(range(10))


def test_the_whole_photo_gets_a_border_of_its_mean_colour():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, :15] = (90, 60, 30)
    whole = framed(pixels, WHOLE)
    assert whole.shape == (30, 30, 3)
    assert whole[0, 0].tolist() == [45, 30, 15]
    np.testing.assert_array_equal(whole[10:20], pixels)


@pytest.mark.parametrize("width, height", [(1, 1), (7, 3), (3, 7), (640, 427)])
@pytest.mark.parametrize("square", [MIDDLE, Square(0, 0, 0.2), Square(1, 1, 0.2), Square(0.3, 0.9, 0.77)])
def test_a_square_lies_inside_every_photo(width, height, square):
    left, top, side = box(width, height, square)
    assert side >= 1
    assert 0 <= left <= width - side
    assert 0 <= top <= height - side


@pytest.mark.parametrize("text", ["", "middle", "1,2", "1,2,3,4", "nan,0.5,1", "inf,0,1", "0.5,0.5,x", "<b>"])
def test_an_address_that_cannot_be_read_is_the_middle_square(text):
    assert parsed(text) == MIDDLE


def test_an_address_is_kept_within_the_photo():
    assert parsed("-3,7,0.001") == Square(0.0, 1.0, framing.SMALLEST)
    assert parsed("0.25,0.5,9") == Square(0.25, 0.5, 1.0)
    assert parsed(str(Square(0.25, 0.5, 0.4))) == Square(0.25, 0.5, 0.4)


@pytest.mark.parametrize("size, frame, words", [
    ((32, 24), MIDDLE, "Networks see the middle square: 25 % of the photo is cut off."),
    ((30, 40), MIDDLE, "Networks see the middle square: 25 % of the photo is cut off."),
    ((40, 20), Square(0.2, 0.5, 0.5), "Networks see the chosen square: 88 % of the photo is cut off."),
    ((40, 20), WHOLE, "Networks see the whole photo, with a border in its mean colour."),
    ((32, 32), MIDDLE, ""),
    ((32, 32), WHOLE, ""),
])  # fmt: skip
def test_what_networks_see_in_words(size, frame, words):
    assert in_words(photo(*size), frame) == words


def page():
    import numpy as np

    from pages.parts.attention import framing

    framing.offer(np.zeros((20, 30, 3), np.uint8))
    framing._remember("0.300,0.500,0.800")


def test_a_moved_square_is_in_the_address_and_the_middle_is_not():
    at = AppTest.from_function(page).run()
    assert not at.exception
    assert at.query_params["crop"] in ("0.300,0.500,0.800", ["0.300,0.500,0.800"])
