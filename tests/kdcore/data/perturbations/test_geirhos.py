from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore.data import datasets, perturbations
from kdcore.data.perturbations import OwnSet
from kdcore.data.perturbations.stimuli import published
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

GEIRHOS = perturbations.get("geirhos")
CIFAR10 = datasets.get("cifar10").classes
DATA = DataRecipe(name="cifar10", image_size=32)


def split(classes: tuple[str, ...] = CIFAR10, side: int = 32) -> Split:
    return Split("test", classes, torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a few images of noise, named as the published ones."""
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    for name in (
        "style-transfer/bird/bird1-dog2", "style-transfer/bird/bird2-bird3", "style-transfer/boat/boat1-car2",
        "style-transfer/oven/oven1-cat2", "style-transfer/cat/cat1-oven2", "edges/cat/cat1", "filled-silhouettes/car/car3",
    ):  # fmt: skip
        path = tmp_path / "cue-conflict" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
    return tmp_path / "cue-conflict"


def own(name: str = "geirhos", classes: tuple[str, ...] = CIFAR10) -> OwnSet:
    found = perturbations.get(name).own(DATA, split(classes))
    assert found
    return found


def test_only_true_conflicts_between_classes_that_both_know(folder: Path) -> None:
    found = own()
    assert found.textures is not None
    names = found.split.classes
    assert names == ("airplane", "bird", "ship", "automobile", "cat", "dog", "truck")  # as the data calls them
    pairs = [(names[s], names[t]) for s, t in zip(found.split.targets, found.textures, strict=True)]
    assert pairs == [("bird", "dog"), ("ship", "automobile")]
    assert found.split.images.shape == (2, 3, 32, 32)
    assert [CIFAR10[place] for (place,) in found.outputs] == list(names)


def test_edges_and_silhouettes_have_no_texture(folder: Path) -> None:
    for name, shape in (("geirhos_edges", "cat"), ("geirhos_silhouettes", "automobile")):
        found = own(name)
        assert found.textures is None
        assert [found.split.classes[target] for target in found.split.targets] == [shape]


def test_decisions_average_the_probabilities_of_fine_classes(folder: Path) -> None:
    """As ImageNetProbabilitiesTo16ClassesMapping of the authors' code does, with np.mean."""
    classes = ("tabby", "goldfish", "Siamese cat", "n02111277", "boat")  # n02111277: Newfoundland, a dog
    found = own("geirhos_edges", classes)
    assert found.split.classes == ("boat", "cat", "n02111277")
    assert found.outputs == ((4,), (0, 2), (3,))
    logits = np.random.default_rng(0).normal(size=(6, 5)) * 3
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    means = np.stack([probabilities[:, list(places)].mean(1) for places in found.outputs], 1)
    decided = found.decisions(torch.from_numpy(np.log(probabilities)))
    np.testing.assert_allclose(decided.exp(), means / means.sum(1, keepdims=True), rtol=1e-9)


def test_the_images_are_left_as_they_are(folder: Path) -> None:
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(
        GEIRHOS.perturb(perturbations.Clean(images, torch.zeros(2, dtype=torch.int64)), 1).images, images
    )


def test_why_it_cannot_be_used(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GEIRHOS.why_not(split()) == ""
    assert "two or more of the classes airplane, bear," in GEIRHOS.why_not(split(("star", "cat")))
    assert "has no images, named as in bird5-dog2.png, of the classes bear, knife" in GEIRHOS.why_not(
        split(("bear", "knife"))
    )
    monkeypatch.setenv("KD_DATA", str(tmp_path / "empty"))
    why = GEIRHOS.why_not(split())
    assert (
        f"its images are not in {tmp_path}/empty/cue-conflict: copy the folder style-transfer-preprocessed-512" in why
    )
    with pytest.raises(UserError, match="cannot be used here: its images are not in"):
        own()


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "style-transfer" / "bird" / "bird1-dog2.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(UserError, match=r"bird1-dog2\.png cannot be read .*copy it again"):
        own()


def test_the_published_images(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,280 images 245 are within CIFAR-10's seven classes; 35 of these have the texture of their own class."""
    if not (real_data / "cue-conflict").is_dir():
        pytest.skip(f"no test data: the images of Geirhos et al. are not in {real_data}/cue-conflict")
    monkeypatch.setenv("KD_DATA", str(real_data))
    assert len(own("geirhos_silhouettes").split) == 70
    monkeypatch.setattr(published, "_read", lambda files, side: np.zeros((len(files), side, side, 3), np.uint8))
    found = own()
    assert found.textures is not None
    assert len(found.split) == 210
    assert (found.textures != found.split.targets).all()
    assert set(Counter(found.split.targets.tolist()).values()) == {30}
    assert len(own("geirhos_edges").split) == 70
