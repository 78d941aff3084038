"""Defaults of the methods against those of the authors' code; a card names where they differ."""

import inspect

import pytest

from kdcore import methods

# Read from the authors' code, RepDistiller or mdistiller, on CIFAR: an option or field of the card -> the value there.
OFFICIAL = {
    "cat_kd": {"weight": 400, "resolution": 2, "normalise": True},
    "crd": {"weight": 0.8, "negatives": 16384, "width": 128, "contrast_temperature": 0.07, "momentum": 0.5},
    "dist": {"weight": 2, "temperature": 4, "inter_weight": 1, "intra_weight": 1},
    "dkd": {"weight": 1, "temperature": 4, "target_weight": 1, "others_weight": 8},
    "fitnets": {"weight": 100},
    "hard_label": {"weight": 0.5},
    "kd": {"weight": 0.9, "temperature": 4},
    "locality_guidance": {"weight": 2.5},
    "logit_standardisation": {"weight": 9, "temperature": 2},
    "nkd": {"weight": 1, "temperature": 3, "others_weight": 3.5},
    "ofa": {"weight": 1, "enhancement": 1},
    "pkt": {"weight": 30000},
    "rkd": {"weight": 1, "distance_weight": 25, "angle_weight": 50},
    "sp": {"weight": 3000},
    "sskd": {"temperature": 4, "views_weight": 2.7, "similarity_weight": 10, "views_share": 1, "similarity_share": 0.75,
             "similarity_temperature": 0.5},
}  # fmt: skip
# What is computed otherwise, and the words by which the card says so.
OTHERWISE = {
    "cskd": ("at every step", "once an epoch"),
    "fitnets": ("without padding", "in a stage of their own"),
    "sskd": ("60 epochs", "200 steps"),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_default_is_the_authors_or_the_card_names_theirs(name):
    method = methods.get(name)
    options = {key: one.default for key, one in inspect.signature(method.__init__).parameters.items()}
    given = options | {"weight": method.card.weight, "temperature": method.card.temperature}
    for key, value in OFFICIAL[name].items():
        assert given[key] == value or f"{value:g}" in method.card.source, (
            f"{key} is {given[key]} here and {value} there"
        )


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_computed_otherwise_is_named(name):
    card = methods.get(name).card
    assert all(words in f"{card.source} {card.differs}" for words in OTHERWISE[name])


def test_the_local_share_falls_within_an_epoch():
    """As its card says; the authors' code changes it once an epoch."""
    from kdcore.methods.cskd import LOCAL_SHARE

    assert [LOCAL_SHARE["linear"](step / 10) for step in range(3)] == pytest.approx([1, 0.9, 0.8])
