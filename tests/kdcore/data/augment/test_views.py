"""Random streams of views: each kind of augmentation has its own."""

import torch

from kdcore.data.augment import Augmentation, views
from kdcore.recipe.data import RandAugment, ResizedCrop


def test_every_kind_of_augmentation_has_a_random_stream_of_its_own(monkeypatch):
    seeds, true = [], views.generator
    monkeypatch.setattr(views, "generator", lambda *seed: seeds.append(seed) or true(*seed))
    Augmentation(("flip",), ResizedCrop(), RandAugment(), 0.5).draw(4, (16, 16), (1, 2, 3))
    assert len(seeds) == len(set(seeds)) == 4
    assert (1, 2, 3) in seeds  # that of earlier versions, so that their recipes have the same views


def test_some_of_the_views_are_those_of_all():
    drawn = Augmentation((), ResizedCrop(), RandAugment(), 1.0).draw(6, (16, 16), (0,))
    some = drawn.at(torch.tensor([4, 1]))
    for name, values in vars(drawn).items():
        assert getattr(some, name).tolist() == [values[4].tolist(), values[1].tolist()]
