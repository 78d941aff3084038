import dataclasses

import numpy as np
import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Perturbation, making
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.tensors.outputs import NO_LABEL
from tests.kdcore.data.perturbations.samples import CLASSES, clean, split


def prepared(given: Split) -> Perturbation:
    conflict = perturbations.get("fourier_cue_conflict")
    conflict.prepare(given)
    return conflict


@pytest.mark.parametrize(("side", "strength"), [(32, 1), (33, 0.5)])
def test_equals_numpy_phase_of_one_amplitude_of_the_other(side: int, strength: float) -> None:
    given = split(side)
    conflict, batch = prepared(given), clean(given)
    others, textures = conflict.partners(batch)
    own, other = np.fft.fft2(batch.images.double().numpy()), np.fft.fft2(others.double().numpy())
    amplitude = (1 - strength) * np.abs(own) + strength * np.abs(other)
    expected = np.fft.ifft2(amplitude * np.exp(1j * np.angle(own))).real.clip(0, 1)
    found = conflict.perturb(batch, strength)
    np.testing.assert_allclose(
        found.images[:5], expected[:5], atol=2e-5
    )  # without the black one, whose phases are undefined
    assert torch.equal(found.textures, textures)


def test_at_strength_0_the_image_itself() -> None:
    given = split()
    torch.testing.assert_close(prepared(given).perturb(clean(given), 0).images, clean(given).images, atol=1e-5, rtol=0)


def many(n: int = 300) -> Split:
    pixels = torch.randint(0, 256, (n, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split("test", CLASSES, pixels, torch.arange(n) % 3)


def test_partners_are_of_every_other_class_alike_and_their_class_is_the_texture() -> None:
    given = many()
    others, textures = prepared(given).partners(clean(given))
    assert (textures != given.targets).all()
    counts = torch.stack([torch.bincount(textures[given.targets == label], minlength=3) for label in range(3)])
    assert counts.diagonal().tolist() == [0, 0, 0]
    assert counts[~torch.eye(3, dtype=torch.bool)].min() > 30  # of 100, with 50 expected
    place_of = {image.numpy().tobytes(): place for place, image in enumerate(given.images)}
    places = [place_of[(each * 255).round().byte().numpy().tobytes()] for each in others]
    assert torch.equal(given.targets[places], textures)
    assert len(set(places)) > 150


def test_each_image_of_another_class_can_be_the_partner() -> None:
    few = Split("test", CLASSES, many(4).images, torch.tensor([0, 1, 1, 2]))
    given = split(4, n=1)
    given = dataclasses.replace(given, targets=torch.tensor([1]))
    conflict, seen = prepared(few), set()
    for key in range(40):
        one = dataclasses.replace(clean(given), keys=torch.tensor([key]))
        others, _ = conflict.partners(one)
        seen.add(next(place for place in range(4) if torch.equal((others[0] * 255).round().byte(), few.images[place])))
    assert seen == {0, 3}


def test_partners_do_not_depend_on_the_order_of_the_split() -> None:
    given, order = many(), torch.randperm(300, generator=torch.Generator().manual_seed(1))
    images, textures = prepared(given).partners(clean(given))
    other = given.at(order)
    again, also = prepared(other).partners(clean(other))
    assert torch.equal(again, images[order])
    assert torch.equal(also, textures[order])


def test_a_split_of_one_class_and_images_without_a_split_are_refused() -> None:
    one = Split("test", CLASSES, many().images, torch.zeros(300, dtype=torch.int64))
    assert perturbations.get("fourier_cue_conflict").why_not(one) == "it needs images of two or more classes"
    with pytest.raises(
        UserError, match="needs images of other classes, of the same size, and was given none: choose a dataset"
    ):
        perturbations.get("fourier_cue_conflict").perturb(clean(split()), 1)


def test_images_without_a_label_are_no_partners() -> None:
    given = many()
    withheld = Split("test", CLASSES, given.images, torch.where(torch.arange(300) < 100, NO_LABEL, given.targets))
    _, textures = prepared(withheld).partners(clean(withheld))
    assert textures.min() >= 0


def test_making_gives_the_textures() -> None:
    ((_, found),) = making.batches(split(), perturbations.get("fourier_cue_conflict"), 1)
    assert (found.textures != split().targets).all()
