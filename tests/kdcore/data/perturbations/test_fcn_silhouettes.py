from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, fcn_silhouettes
from kdcore.errors import UserError
from kdcore.models import torchvision_files
from tests.kdcore.data.perturbations.samples import clean, split


class Bright(nn.Module):
    """Segments what is brighter than ImageNet's mean as class 5; remembers the sizes that it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.sizes.append(tuple(x.shape))
        scores = torch.zeros(len(x), fcn_silhouettes.CLASSES, *x.shape[2:])
        scores[:, 5] = x.mean(1)
        return {"out": scores}


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    return tmp_path / "weights"


def test_objects_are_black_on_white_at_the_images_size() -> None:
    image = torch.zeros(1, 3, 32, 32)
    image[:, :, 8:24, 8:24] = 0.9
    silhouettes, net = perturbations.get("fcn_silhouettes"), Bright()
    silhouettes.__dict__["network"] = net
    found = silhouettes.perturb(Clean(image, torch.zeros(1, dtype=torch.int64)), 1).images
    assert net.sizes == [(1, 3, 256, 256)]
    assert torch.equal(found[0, 0] == 0, image[0, 0] > 0.5)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    nothing = silhouettes.perturb(Clean(0 * image, torch.zeros(1, dtype=torch.int64)), 1).images
    assert (nothing == 1).all()


def test_without_its_weights_it_says_where_to_get_them(nothing_here: Path) -> None:
    silhouettes = perturbations.get("fcn_silhouettes")
    why = silhouettes.why_not(split())
    assert why.startswith("the weights of fcn_resnet50 are not on this machine: put the file https://")
    assert why.endswith(f"fcn_resnet50_coco-1167a1af.pth into {nothing_here}, or allow their download")
    with pytest.raises(UserError, match="The weights of fcn_resnet50 are not on this machine"):
        silhouettes.perturb(clean(split(n=2)), 1)


def test_other_weights_are_refused(nothing_here: Path) -> None:
    nothing_here.mkdir()
    file = nothing_here / "fcn_resnet50_coco-1167a1af.pth"
    for content, message in (
        ({"a": torch.zeros(1)}, "does not have the weights of fcn_resnet50"),
        ([1], "no tensors by name"),
    ):
        torch.save(content, file)
        with pytest.raises(UserError, match=message):
            perturbations.get("fcn_silhouettes").perturb(clean(split(n=2)), 1)


def test_a_download_that_fails_names_the_file_and_where_it_goes(
    nothing_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(
        UserError, match=r"could not be downloaded from https://.*: no route to host\. Put that file into"
    ):
        torchvision_files.download("fcn_resnet50")
