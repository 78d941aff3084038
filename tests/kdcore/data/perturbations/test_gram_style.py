from pathlib import Path

import pytest
import torch
from torchvision.models import squeezenet1_1

from kdcore.data import drawing, perturbations
from kdcore.data.folders import checking
from kdcore.data.perturbations import Clean, gram_style, making, randomness
from kdcore.data.perturbations.styles import gram, textures
from kdcore.errors import UserError
from tests.kdcore.data.perturbations import measures
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a SqueezeNet of random weights, and steps enough to see that they do something."""
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(gram, "STEPS", 5)
    torch.manual_seed(0)
    file = tmp_path / "weights" / "squeezenet1_1.pth"
    file.parent.mkdir()
    torch.save(squeezenet1_1().state_dict(), file)
    return file


def test_a_texture_comes_in_with_its_weight_and_the_batch_decides_nothing(weights: Path) -> None:
    batch, style = clean(split(n=3)), perturbations.get("gram_style")
    weak, strong = (style.perturb(batch, strength).images for strength in (0.01, 30))
    assert style.settings == {"network": "squeezenet1_1"}
    assert strong.shape == batch.images.shape
    assert (strong.min() >= 0, strong.max() <= 1) == (True, True)
    assert (strong - batch.images).abs().mean() > (weak - batch.images).abs().mean() > 0
    alone = style.perturb(Clean(batch.images[1:2], batch.keys[1:2]), 30).images
    assert torch.equal(alone[0], strong[1])
    torch.testing.assert_close(style.perturb(batch, 0).images, batch.images, atol=0.05, rtol=0)  # resized and back


def test_gram_matrices_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])  # two channels at two places
    torch.testing.assert_close(gram.gram(maps), torch.tensor([[[2.5, 3.0], [3.0, 4.5]]]))
    (apart,) = gram.distance([maps], [torch.zeros(1, 2, 2)])
    assert apart == 2.5**2 + 2 * 3.0**2 + 4.5**2


def test_features_are_those_of_the_whole_network_after_the_activation(weights: Path) -> None:
    net = squeezenet1_1()
    net.load_state_dict(torch.load(weights, weights_only=True))
    images = torch.rand(1, 3, 64, 64)
    found, content = gram.features("squeezenet1_1")(images)
    x = (images - torch.tensor(gram.MEAN)[:, None, None]) / torch.tensor(gram.STD)[:, None, None]
    with torch.no_grad():
        expected = [net.eval().features[: place + 1](x) for place in (1, 4, 6, 7, 3)]
    torch.testing.assert_close([*found, content], expected)
    assert all(each.min() >= 0 for each in found)


def test_the_layers_of_vgg_are_those_of_the_paper() -> None:
    from torchvision.models import vgg19

    with torch.device("meta"):
        layers = vgg19().features
    names, block, conv = {}, 1, 0
    for place, layer in enumerate(layers):
        if isinstance(layer, torch.nn.MaxPool2d):
            block, conv = block + 1, 0
        elif isinstance(layer, torch.nn.Conv2d):
            conv += 1
        else:
            names[place] = f"relu{block}_{conv}"
    chosen = gram.NETWORKS["vgg19"]
    assert [names[place] for place in chosen.style] == [f"relu{block}_1" for block in range(1, 6)]
    assert names[chosen.content] == "relu4_2"


def test_textures_are_drawn_where_there_are_no_photos(weights: Path) -> None:
    assert textures.count() == len(drawing.TEXTURES)
    pictures = [textures.drawn(number, 32) for number in range(textures.count())]
    assert {each.shape for each in pictures} == {(32, 32, 3)}
    assert len({each.tobytes() for each in pictures}) == len(pictures)
    assert all(each.std(axis=(0, 1)).max() > 20 for each in pictures)  # a pattern, not one colour


def test_damaged_textures_and_weights_are_named(weights: Path) -> None:
    style, before = perturbations.get("gram_style"), making.code_version(perturbations.get("gram_style"))
    folder = weights.parents[1] / "textures"
    folder.mkdir()
    (folder / "bark.jpg").write_bytes(b"no photo")
    assert making.code_version(style) != before
    with pytest.raises(UserError, match=r"bark\.jpg cannot be read: .* Replace or delete it\."):
        style.perturb(clean(split(n=2)), 1)
    torch.save({"features.0.weight": torch.zeros(1)}, weights)
    with pytest.raises(UserError, match="does not have the weights of torchvision's squeezenet1_1"):
        gram.features("squeezenet1_1")


def test_why_it_cannot_be_made(weights: Path) -> None:
    assert perturbations.get("gram_style").why_not(split()) == ""
    assert "there is no network 'vgg' for it; there are vgg19," in perturbations.get(
        "gram_style", network="vgg"
    ).why_not(split())
    why = perturbations.get("gram_style", network="vgg19").why_not(split())
    assert (
        "the weights of vgg19 are not on this machine: put the file https://download.pytorch.org/models/vgg19-" in why
    )
    assert f"into {weights.parent}, or allow their download" in why
    weights.unlink()
    with pytest.raises(UserError, match="The weights of squeezenet1_1 are not on this machine"):
        perturbations.get("gram_style").perturb(clean(split(n=2)), 1)


def test_real_features_bring_the_texture_and_keep_the_shape(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not all((real_data / folder).is_dir() for folder in ("textures", "weights", "upload-images")):
        pytest.skip(f"no test data: textures, weights and photos are not all in {real_data}")
    monkeypatch.setenv("KD_DATA", str(real_data))
    files = sorted((real_data / "upload-images").glob("*.jpg"))[1:3]
    pixels = torch.stack([torch.from_numpy(checking.decoded(file, 64).copy()) for file in files]).permute(0, 3, 1, 2)
    batch = Clean(pixels.contiguous() / 255, randomness.keys(pixels))
    style = perturbations.get("gram_style", network="squeezenet1_1")
    found = style.perturb(batch, style.usual).images
    assert measures.correlation(measures.contours(found), measures.contours(batch.images)) > 0.5
    net, numbers = gram.features("squeezenet1_1"), randomness.below(textures.count(), batch.keys, stream=1).tolist()
    apart = []
    for images in (batch.images, found):
        rows = []
        for image, number in zip(images, numbers, strict=True):
            grams = [gram.gram(each) for each in net(gram_style.texture(number, image)[None])[0]]
            rows.append(measures.gram_distance(net(image[None])[0], grams))
        apart.append(rows)
    assert all(after < 0.5 * before for before, after in zip(*apart, strict=True))
