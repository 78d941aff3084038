import hashlib
import urllib.error

import numpy as np
import pytest

from kdcore.data import cifar, loading
from kdcore.recipe import DataRecipe


def test_the_real_images_are_read_resized_and_subsampled(cifar10_folder, monkeypatch):
    from torchvision import datasets

    monkeypatch.setenv("KD_DATA", str(cifar10_folder))
    recipe = DataRecipe(name="cifar10", image_size=32)
    train = loading.load(recipe.model_copy(update={"image_size": 16, "train_images": 1000, "labels": 100}), "train")
    assert train.images.shape == (900, 3, 16, 16)
    assert train.targets[train.targets >= 0].bincount().tolist() == [10] * 10
    test = loading.load(recipe, "test")
    original = datasets.CIFAR10(cifar10_folder, train=False)
    assert len(test) == 10_000
    assert (test.images.permute(0, 2, 3, 1).numpy() == original.data).all()
    assert test.targets.tolist() == original.targets
    assert list(test.classes) == original.classes


def test_classes_and_splits_need_no_files():
    recipe = DataRecipe(name="cifar100")
    assert len(set(loading.classes(recipe))) == 100
    assert loading.splits(recipe) == ("train", "validation", "test")


def test_images_are_resized_by_area_and_enlarged_smoothly():
    images = np.array([[[[0] * 3, [200] * 3], [[0] * 3, [200] * 3]]], dtype=np.uint8)
    assert cifar.resized(images, 1).tolist() == [[[[100] * 3]]]
    assert cifar.resized(images, 4)[0, 0, :, 0].tolist() == [0, 50, 150, 200]


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_data_that_cannot_be_downloaded_is_refused_with_the_remedy(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))

    def offline(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    message = f"{name} is not in {tmp_path}.*python.tar.gz failed: .*not known.*Put that file.*needs no download: cues, folder"
    with pytest.raises(ValueError, match=message):
        loading.load(DataRecipe(name=name), "train", download=True)


def test_a_download_is_reported_and_arrives_whole(tmp_path):
    (tmp_path / "source").write_bytes(b"images" * 1000)
    said = []
    md5 = hashlib.md5(b"images" * 1000).hexdigest()
    cifar.download((tmp_path / "source").as_uri(), tmp_path / "new" / "copy", md5, said.append)
    assert (tmp_path / "new" / "copy").read_bytes() == b"images" * 1000
    assert said[0].startswith("Downloading file:")


def test_a_download_that_is_not_the_file_expected_leaves_nothing(tmp_path):
    (tmp_path / "source").write_text("<html>please log in</html>")
    with pytest.raises(OSError, match="not the expected file"):
        cifar.download((tmp_path / "source").as_uri(), tmp_path / "new" / "copy", "0" * 32, lambda text: None)
    assert not list((tmp_path / "new").iterdir())
