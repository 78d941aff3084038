import numpy as np
import torch

from kdcore.data.perturbations import randomness

PIXELS = torch.randint(0, 256, (300, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
KEYS = randomness.keys(PIXELS)


def splitmix(number: int) -> int:
    """The finaliser as in https://prng.di.unimi.it/splitmix64.c, with Python's whole numbers."""
    z = (number + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_mixed_equals_splitmix64() -> None:
    numbers = [0, 1, 2**40 + 7, 2**63 - 1]
    found = randomness.mixed(torch.tensor(numbers)).tolist()
    assert [each % 2**64 for each in found] == [splitmix(each) for each in numbers]
    # the first output of splitmix64.c for the seed 0
    assert found[0] % 2**64 == 0xE220A8397B1DCDAF


def test_numbers_follow_the_image_whatever_the_batch() -> None:
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    assert torch.equal(randomness.keys(PIXELS[order]), KEYS[order])
    for draw in (
        lambda keys: randomness.uniform(keys, 5, 1),
        lambda keys: randomness.normal(keys, (2, 3), 1),
        lambda keys: randomness.permutations(keys, 9, 1),
        lambda keys: randomness.below(10, keys, 1),
    ):
        assert torch.equal(draw(KEYS)[order], draw(KEYS[order]))
        assert torch.equal(draw(KEYS)[:1], draw(KEYS[:1]))


def test_one_changed_pixel_changes_the_key() -> None:
    other = PIXELS.clone()
    other[:, 0, 0, 0] += 1
    assert (randomness.keys(other) != KEYS).all()
    assert len(set(KEYS.tolist())) == 300


def test_two_streams_are_independent() -> None:
    one, other = (randomness.uniform(KEYS, 100, stream).flatten().numpy() for stream in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.03


def test_distributions() -> None:
    uniform = randomness.uniform(KEYS, 1000, 3)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.003
    assert abs(uniform.var() - 1 / 12) < 0.001
    normal = randomness.normal(KEYS, (10, 100), 3)
    assert abs(normal.mean()) < 0.01
    assert abs(normal.std() - 1) < 0.01
    counts = torch.bincount(randomness.below(3, randomness.mixed(torch.arange(30_000)), 4))
    assert counts.min() > 9_700
    orders = randomness.permutations(KEYS, 4, 5)
    assert torch.equal(orders.sort(dim=1).values, torch.arange(4).expand(300, -1))
    assert len({tuple(order) for order in orders.tolist()}) == 24


def test_images_read_from_the_whole_bank(monkeypatch) -> None:
    monkeypatch.setattr(randomness, "_normal_bank", lambda device: torch.arange(randomness.BANK, dtype=torch.float64))
    places = randomness.normal(randomness.mixed(torch.arange(1000)), (8,), 1)[:, 0] / randomness.BANK
    assert (places.min() < 0.01, places.max() > 0.99) == (True, True)
    assert abs(places.mean() - 0.5) < 0.03  # its standard deviation is 0.009
