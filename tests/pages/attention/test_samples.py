"""Sample photos: photographs of a library that includes them, and drawn images."""

import importlib.util

from kdcore.data import datasets
from pages.parts.attention import samples


def test_photographs_come_first_each_with_its_maker_and_licence():
    found = samples.found()
    photographs = [each for each in found if each.credit]
    assert [each.name for each in photographs] == ["cat", "rocket", "coffee", "astronaut"]
    assert found[: len(photographs)] == tuple(photographs)
    assert all("CC0" in each.credit or "public domain" in each.credit for each in photographs)
    assert all(each.dataset in datasets.names() for each in photographs)


def test_they_can_be_read_and_are_more_than_the_networks_see():
    for each in samples.photographs():
        pixels = samples.read(each.path).pixels
        assert min(pixels.shape[:2]) >= 300, each.name


def test_without_the_library_the_drawn_ones_remain(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    samples.photographs.cache_clear()
    try:
        found = samples.found()
    finally:
        samples.photographs.cache_clear()
    assert {each.dataset for each in found} == {"cues"}
    assert all(each.id == f"cues-{each.true}.png" for each in found)
