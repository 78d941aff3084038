"""What every test set owes, those made from a split's pixels: bounds, determinism, and the same pixels whatever the batch."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, Perturbation, making, randomness
from kdcore.data.perturbations.corruptions import frost as frost_corruption
from kdcore.data.perturbations.corruptions import shot_noise
from kdcore.data.perturbations.corruptions.frost import FILES
from kdcore.data.split import Split
from kdcore.errors import UserError
from tests.kdcore.data.perturbations.samples import clean, split
from tests.kdcore.fake_gpu import GPU, FakeGPU

ROUNDING = 3e-6  # matrix products of other sizes round differently


@pytest.fixture(autouse=True)
def frost(data_folder: Path) -> None:
    """Photos of noise in the place of the authors'."""
    (data_folder / "frost").mkdir(exist_ok=True)
    for number, name in enumerate(FILES):
        if not (data_folder / "frost" / name).is_file():
            pixels = np.random.default_rng(number).integers(0, 256, (400, 500, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data_folder / "frost" / name)


def found(name: str, given: Split) -> Perturbation:
    """The set, prepared for a split, or the test is skipped with the reason why it cannot be made here."""
    perturbation = perturbations.get(name)
    if reason := perturbation.why_not(given):
        pytest.skip(reason)
    perturbation.prepare(given)
    return perturbation


SETS = {name: perturbations.get(name) for name in perturbations.names()}
every_card = pytest.mark.parametrize("name", SETS)
every_set = pytest.mark.parametrize("name", [name for name, each in SETS.items() if not each.own_images])
every_scale = pytest.mark.parametrize("name", [name for name, each in SETS.items() if len(each.strengths) > 1])


@every_card
def test_a_card_says_what_it_is(name: str) -> None:
    kind = type(perturbations.get(name))
    kind.check_part(sys.modules[kind.__module__])  # as of plugins


@every_set
def test_pixels_are_in_bounds_and_the_input_is_left_as_it_was(name: str) -> None:
    given = split(33, n=4)
    perturbation, batch = found(name, given), clean(given)
    before = batch.images.clone()
    for strength in perturbation.strengths:
        images = perturbation.perturb(batch, strength).images
        assert images.shape == before.shape
        assert images.dtype == before.dtype
        # each number in a place of its own: whoever gets the images may change them
        assert images.is_contiguous() or images.is_contiguous(memory_format=torch.channels_last)
        assert torch.isfinite(images).all()
        assert images.min() >= 0
        assert images.max() <= 1
        assert torch.equal(batch.images, before)


@every_set
def test_the_same_pixels_whatever_the_batch_the_order_and_the_layout(name: str) -> None:
    given = split()
    perturbation, state = found(name, given), torch.get_rng_state()
    whole = perturbation.perturb(clean(given), perturbation.usual)
    order = torch.tensor([3, 0, 4, 1, 5, 2])
    for places in (order, order[:1], torch.tensor([5])):
        part = perturbation.perturb(making.clean(given, places), perturbation.usual)
        torch.testing.assert_close(part.images, whole.images[places], atol=ROUNDING, rtol=0)
        if whole.textures is not None:
            assert torch.equal(part.textures, whole.textures[places])
    batch = clean(given)
    planes = Clean(batch.images.contiguous(), batch.keys, batch.targets, batch.masks)
    again = perturbation.perturb(planes, perturbation.usual).images
    torch.testing.assert_close(again, whole.images, atol=ROUNDING, rtol=0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name, each in SETS.items() if each.at_levels])
def test_what_is_at_levels_already_is_the_same_when_it_is_rounded(name: str) -> None:
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(2, -1, -1, 3).contiguous()
    given = Split("test", ("cat", "dog"), ramp.permute(0, 3, 1, 2), torch.arange(2))
    perturbation = found(name, given)
    for strength in perturbation.strengths:
        images = making.made(given, perturbation, strength, torch.arange(2)).images
        levels = np.round(images.numpy().astype(np.float64) * 255)
        np.testing.assert_array_equal(images.numpy(), (levels / 255).astype(np.float32))


@every_scale
def test_another_strength_gives_other_pixels(name: str) -> None:
    given = split()
    perturbation = found(name, given)
    pixels = [perturbation.perturb(clean(given), strength).images[:4] for strength in perturbation.strengths]
    assert all(0 <= each.min() <= each.max() <= 1 for each in pixels)
    same = [
        (perturbation.strengths[other], perturbation.strengths[one])
        for one, each in enumerate(pixels)
        for other in range(one)
        if torch.equal(each, pixels[other])
    ]
    assert same == ([(3, 4)] if name == "motion_blur" else [])  # see its docstring


@every_set
def test_larger_images_and_other_numbers(name: str) -> None:
    given = split(64, n=2)
    perturbation, batch = found(name, given), clean(given)
    assert perturbation.perturb(batch, perturbation.usual).images.shape == (2, 3, 64, 64)
    double = Clean(batch.images.double(), batch.keys, batch.targets, batch.masks)
    assert perturbation.perturb(double, perturbation.usual).images.dtype == torch.float64


@every_scale
@pytest.mark.parametrize("strength", [-1, float("nan"), float("inf"), 1e9])
def test_a_strength_without_a_meaning_is_refused_in_words(name: str, strength: float) -> None:
    given = split(n=4)
    perturbation = found(name, given)
    with pytest.raises(UserError, match="should be") as raised:
        perturbation.perturb(clean(given), strength)
    assert f"{strength:g}" in str(raised.value)


@pytest.mark.parametrize("name", [name for name, each in SETS.items() if not each.own_images and not each.cached])
def test_sets_that_are_not_cached_stay_on_the_device_and_never_wait_for_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, gpu = split(), FakeGPU()
    perturbation, batch = found(name, given), gpu.taken(clean(given))
    for module, kept in (
        (randomness, "_normal_bank"),
        (randomness, "_uniform_bank"),
        (shot_noise, "_table"),
        (frost_corruption, "_photos"),
    ):
        monkeypatch.setattr(module, kept, getattr(module, kept).__wrapped__)  # or fake numbers would be kept
    for attribute, value in vars(perturbation).items():  # what `prepare` kept
        setattr(perturbation, attribute, gpu.taken(value))
    with gpu:
        assert perturbation.perturb(batch, perturbation.usual).images.device == GPU


def test_an_unknown_set_or_setting_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="Unknown test set 'low_pas'. Did you mean 'low_pass'"):
        perturbations.get("low_pas")
    with pytest.raises(
        UserError, match="The test set localized_noise has no setting 'size'. Its settings: share, position"
    ):
        perturbations.get("localized_noise", size=1)


def test_no_two_sets_have_one_name_and_helpers_are_none() -> None:
    folders = (Path(path) / sub for path in perturbations.__path__ for sub in ("", "corruptions"))
    files = [file.stem for folder in folders for file in folder.glob("*.py") if file.stem != "__init__"]
    assert len(files) == len(set(files))
    assert set(files) == {*perturbations.names(), *perturbations.HELPERS}
