from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, randomness
from kdcore.data.perturbations.corruptions.frost import FILES
from kdcore.errors import UserError
from tests.kdcore.data.perturbations.samples import clean, split

COLOURS = [(10 * number, 50, 200) for number in range(len(FILES))]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One colour each, red rising with the number."""
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    (tmp_path / "frost").mkdir()
    for name, (red, green, blue) in zip(FILES, COLOURS, strict=True):
        suffix = ".png"  # JPEG would change the colours; OpenCV reads what is there, whatever the name
        done, content = cv2.imencode(suffix, np.full((300, 400, 3), (blue, green, red), dtype=np.uint8))
        assert done
        (tmp_path / "frost" / name).write_bytes(content.tobytes())
    return tmp_path / "frost"


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(("severity", "c"), [(1, (1, 0.2)), (3, (0.9, 0.4)), (5, (0.75, 0.45))])
def test_shares_of_image_and_frost_by_hand(severity: int, c: tuple[float, float]) -> None:
    batch = Clean(torch.full((60, 3, 32, 32), 0.25), randomness.mixed(torch.arange(60)))
    found = perturbations.get("frost").perturb(batch, severity).images
    expected = torch.tensor([[c[0] * 0.25 + c[1] * value / 255 for value in colour] for colour in COLOURS])
    which = [(each[:, 0, 0] - expected).abs().sum(dim=1).argmin().item() for each in found]
    torch.testing.assert_close(found, expected[which][:, :, None, None].expand(-1, -1, 32, 32).clamp(max=1))
    assert set(which) == {0, 1, 2, 3, 4}


def test_a_part_of_the_photo_at_a_fifth_of_its_size(photos: Path) -> None:
    ramp = np.zeros((300, 400, 3), dtype=np.uint8)
    ramp[..., 0] = np.linspace(0, 200, 400).astype(np.uint8)  # blue, in OpenCV's order
    for name in FILES:
        (photos / name).write_bytes(cv2.imencode(".png", ramp)[1].tobytes())
    batch = Clean(torch.zeros(20, 3, 32, 32), randomness.mixed(torch.arange(20)))
    found = perturbations.get("frost").perturb(batch, 5).images / 0.45 * 255
    slopes = (found[:, 2, 0, -1] - found[:, 2, 0, 0]) / 31
    torch.testing.assert_close(slopes, torch.full((20,), 200 / 400 * 5), atol=0.1, rtol=0)
    assert not found[:, :2].any()
    assert len(set(found[:, 2, 0, 0].tolist())) > 8


def test_without_the_photos_it_says_which_and_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    reason = perturbations.get("frost").why_not(split())
    assert f"the authors' photos of frost are not in {tmp_path}/frost (frost1.png, frost2.png" in reason
    assert "ImageNet-C/create_c of https://github.com/hendrycks/robustness" in reason
    with pytest.raises(UserError, match="Frost cannot be made: the authors' photos"):
        perturbations.get("frost").perturb(clean(split()), 3)


def test_other_photos_are_other_material(photos: Path) -> None:
    before = perturbations.get("frost").material
    (photos / FILES[0]).write_bytes((photos / FILES[1]).read_bytes())
    assert perturbations.get("frost").material != before


def test_a_file_that_is_no_picture_is_named(photos: Path) -> None:
    (photos / FILES[2]).write_text("nothing")
    with pytest.raises(
        UserError, match="frost3.png cannot be read as a picture: put the authors' photo of frost there again"
    ):
        perturbations.get("frost").perturb(clean(split()), 2)
