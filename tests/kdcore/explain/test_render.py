from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from kdcore.explain import render

PHOTO = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
HEATMAP = np.random.default_rng(1).random((7, 7)).astype(np.float32)


@dataclass
class Shown:
    title: str = "a network"
    map_name: str = "grad_cam"
    problem: str = ""
    photo: np.ndarray = field(default_factory=lambda: PHOTO)
    heatmap: np.ndarray = field(default_factory=lambda: HEATMAP)
    predictions: tuple[tuple[str, float], ...] = (("cat", 0.9), ("dog", 0.1))


def test_enlarged_as_torch_does_without_aligned_corners():
    expected = F.interpolate(torch.tensor(HEATMAP)[None, None], size=60, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(render.enlarge(HEATMAP, 60), expected / HEATMAP.max(), atol=1e-5)


def test_shown_relative_to_the_maximum_and_not_to_the_minimum():
    shown = render.overlay(PHOTO, np.array([[1.0, 2.0]]), opacity=1)
    same = render.overlay(PHOTO, np.array([[0.25, 0.5]]), opacity=1)
    darkest = render.overlay(PHOTO, np.array([[0.0, 1.0]]), opacity=1)[0, 0]
    np.testing.assert_array_equal(shown, same)
    assert shown[0, 0].astype(int).sum() > darkest.astype(int).sum() + 100  # half of the maximum is not the darkest


def test_opacity_goes_from_the_photo_to_the_map():
    np.testing.assert_array_equal(render.overlay(PHOTO, HEATMAP, opacity=0), PHOTO)
    half = render.overlay(PHOTO, HEATMAP, opacity=0.5).astype(float)
    full = render.overlay(PHOTO, HEATMAP, opacity=1).astype(float)
    np.testing.assert_allclose(half, (full + PHOTO) / 2, atol=1)


def test_brighter_is_more_and_the_channels_are_red_green_blue():
    ramp = render.overlay(np.zeros((64, 64, 3), np.uint8), np.arange(64.0)[None], opacity=1)[0].astype(float)
    lightness = ramp @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > -2).all()
    assert ramp[40, 0] > ramp[40, 2]  # the middle of inferno is orange, not blue


@pytest.mark.parametrize("nothing", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_an_empty_map_is_never_a_picture(nothing):
    with pytest.raises(ValueError, match="no map to draw"):
        render.overlay(PHOTO, nothing)


def test_unknown_colour_map():
    with pytest.raises(ValueError, match="Unknown colour map 'jet'. Known: inferno, magma"):
        render.overlay(PHOTO, HEATMAP, colormap="jet")


def test_the_sheet_has_photo_and_networks_and_the_reason_of_a_missing_map(tmp_path):
    without = Shown(problem="the map is zero everywhere, " * 9, heatmap=np.full((7, 7), np.nan), title="long " * 40)
    sheet = render.comparison_sheet([Shown(), Shown(), without], side=100)
    assert sheet.shape[1] == 4 * 100 + 5 * render.GAP
    assert sheet.dtype == np.uint8
    render.write_png(sheet, tmp_path / "made" / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "made" / "sheet.png")), sheet)


def test_the_title_and_the_first_line_are_in_ink_and_the_lines_below_are_faint():
    shown = Shown(title="|||", predictions=(("|||", 0.9), ("|||", 0.1)))
    panel = render.comparison_sheet([shown], side=200)[render.GAP : -render.GAP, -200 - render.GAP : -render.GAP]
    below, step = 200 + 2 * render.LINE - 4, render.LINE - 2
    bands = [panel[: render.LINE], *(panel[top : top + step] for top in (below, below + step, below + 2 * step))]
    darkest = [tuple(band.reshape(-1, 3).min(axis=0).tolist()) for band in bands]
    assert darkest == [(24, 24, 27), (24, 24, 27), (113, 113, 122), (113, 113, 122)]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Cannot write the picture"):
        render.write_png(PHOTO, tmp_path / "file" / "sheet.png")
