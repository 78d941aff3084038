from pathlib import Path

import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.folders import checking
from kdcore.data.perturbations import Clean, making, randomness
from kdcore.data.perturbations.styles import gram, networks, sizes
from kdcore.errors import UserError
from tests.kdcore.data.perturbations import measures
from tests.kdcore.data.perturbations.samples import clean, split


@pytest.fixture
def styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two style networks of two and three channels, of random weights."""
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    (tmp_path / "style").mkdir()
    for channels in (2, 3):
        torch.manual_seed(channels)
        net = networks.StyleNetwork(channels)
        torch.nn.init.constant_(net.deconv3.conv2d.bias, 128)
        torch.save(net.state_dict(), tmp_path / "style" / f"style{channels}.pth")
    return tmp_path / "style"


def test_each_image_gets_one_of_the_styles_whatever_its_batch(styles: Path) -> None:
    batch, each = clean(split(n=5)), {}
    for name in ("style2", "style3"):
        each[name] = perturbations.get("stylised", style=name).perturb(batch, 1).images
        assert each[name].shape == batch.images.shape
        assert (each[name].min() >= 0, each[name].max() <= 1) == (True, True)
    assert not torch.equal(each["style2"], each["style3"])
    whole = perturbations.get("stylised").perturb(batch, 1).images
    chosen = randomness.below(2, batch.keys, stream=1)
    expected = torch.stack([each[f"style{2 + int(style)}"][place] for place, style in enumerate(chosen)])
    assert torch.equal(whole, expected)
    assert len(set(chosen.tolist())) == 2
    alone = perturbations.get("stylised").perturb(Clean(batch.images[3:4], batch.keys[3:4]), 1).images
    assert torch.equal(alone[0], whole[3])


def test_the_strength_is_the_share_of_the_stylised_image(styles: Path) -> None:
    batch, stylised = clean(split(n=2)), perturbations.get("stylised")
    full, half = (stylised.perturb(batch, strength).images for strength in (1, 0.5))
    torch.testing.assert_close(half, (batch.images + full) / 2)
    torch.testing.assert_close(stylised.perturb(batch, 0).images, batch.images)
    with pytest.raises(UserError, match=r"The share of the stylised image is 1\.5; it should be a number from 0 to 1"):
        stylised.perturb(batch, 1.5)


def test_small_images_are_enlarged_and_sides_are_divisible_by_four() -> None:
    for given, expected in (
        ((32, 32), (128, 128)),
        ((30, 60), (128, 256)),
        ((225, 300), (224, 300)),
        ((128, 128),) * 2,
    ):
        image = torch.rand(1, 3, *given)
        large = sizes.enlarged(image, 128)
        assert large.shape[2:] == expected
        assert sizes.reduced(large, image).shape == image.shape


def test_other_files_change_the_key_of_cached_images(styles: Path) -> None:
    before = making.code_version(perturbations.get("stylised"))
    assert before != making.code_version(perturbations.get("stylised", style="style2"))
    torch.save(networks.StyleNetwork(1).state_dict(), styles / "style3.pth")
    assert making.code_version(perturbations.get("stylised")) != before


def test_why_it_cannot_be_made(styles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert perturbations.get("stylised").why_not(split()) == ""
    assert (
        perturbations.get("stylised", style="x").why_not(split()) == "there is no style 'x'; there are style2, style3"
    )
    monkeypatch.setenv("KD_DATA", str(tmp_path / "empty"))
    assert f"no style network is in {tmp_path}/empty/style: put .pth files of" in perturbations.get("stylised").why_not(
        split()
    )
    with pytest.raises(UserError, match="has no style network at all"):
        perturbations.get("stylised").perturb(clean(split()), 1)


def test_files_that_are_no_style_networks_are_refused(tmp_path: Path) -> None:
    state = networks.StyleNetwork(2).state_dict()
    file = tmp_path / "other.pth"
    old = {**state, "in1.running_mean": torch.zeros(2), "res1.in1.running_var": torch.ones(8)}
    torch.save(old, file)
    assert networks.read(file).conv1.conv2d.out_channels == 2  # older releases of PyTorch wrote these
    wrong = (
        (
            {**state, "head": torch.zeros(1)},
            "is no style network: the tensors of TransformerNet .* 62 in all; it has 63",
        ),
        ([1, 2], "it has 0"),
        ({**state, "in1.weight": torch.zeros(5)}, "other shapes than the first implies"),
        ({**state, "in1.weight": torch.full((2,), torch.nan)}, "weights that are not numbers"),
    )
    for number, (content, message) in enumerate(wrong):
        file = tmp_path / f"wrong{number}.pth"
        torch.save(content, file)
        with pytest.raises(UserError, match=message):
            networks.read(file)
    file.write_bytes(b"no weights")
    with pytest.raises(UserError, match="damaged, incomplete or not a file of torch.save"):
        networks.read(file)


def test_real_styles_replace_the_texture_and_keep_the_shape(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of other things in one style are nearer to each other by Gram matrices than before; their contours stay."""
    if not all((real_data / folder).is_dir() for folder in ("style", "weights", "upload-images")):
        pytest.skip(f"no test data: style networks, weights and photos are not all in {real_data}")
    monkeypatch.setenv("KD_DATA", str(real_data))
    files = sorted((real_data / "upload-images").glob("*.jpg"))[:4]
    pixels = torch.stack([torch.from_numpy(checking.decoded(file, 64).copy()) for file in files]).permute(0, 3, 1, 2)
    batch = Clean(pixels.contiguous() / 255, randomness.keys(pixels))
    found = perturbations.get("stylised", style="mosaic_nc16").perturb(batch, 1).images
    assert measures.correlation(measures.contours(found), measures.contours(batch.images)) > 0.5
    net = gram.features("squeezenet1_1")
    apart = []
    for images in (batch.images, found):
        maps = net(images)[0]
        grams = [torch.einsum("mchw,mdhw->mcd", each, each).mean(0, keepdim=True) / each[0, 0].numel() for each in maps]
        apart.append(measures.gram_distance(maps, grams))
    assert apart[1] < 0.5 * apart[0]
