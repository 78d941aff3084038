import pytest

from kdcore import methods
from kdcore.inspection import method_cards, method_pages
from kdcore.methods.base import Card, Method


@pytest.mark.parametrize("name", methods.names())
def test_every_option_is_explained(name):
    unexplained = [option.name for option in method_cards.entry(name).options if not option.about]
    assert not unexplained, f'Say what they do under "Options:" in the docstring of the class: {unexplained}.'


def test_options_are_read_from_the_docstring_with_their_further_lines():
    said = method_cards.explanations(
        """Options:

        width: of the space: in it
            both meet.
        one, other: weights.
        """
    )
    assert said["width"] == "of the space: in it both meet."
    assert said["one"] == said["other"] == "weights."


def test_defaults_are_written_as_a_recipe_would():
    assert [method_cards.written(value) for value in (None, True, 0.5, "kl")] == ["null", "true", "0.5", "kl"]


def test_layers_stand_among_the_options_of_a_method_that_weighs_them():
    assert {"layers", "divergence"} <= {option.name for option in method_cards.entry("attention").options}
    assert [option.name for option in method_cards.entry("kd").options] == ["variant"]


def test_pairings_are_refused_as_the_method_refuses_them():
    assert not any(method_cards.entry("kd").refusals.values())
    assert method_cards.pairings(method_cards.entry("kd")) == "every pairing of ViT and CNN"
    refusals = method_cards.entry("capd").refusals
    assert [pair for pair, why in refusals.items() if not why] == [("ViT", "CNN")]
    assert "Use a CNN as the student" in refusals["ViT", "ViT"]
    assert "- CNN to CNN: " in method_pages.page(method_cards.entry("capd"))


@pytest.mark.parametrize(
    ("needs", "uses_teacher", "said", "expected"),
    [
        ({"logits"}, True, None, "logits"),
        ({"logits"}, False, None, "labels"),
        ({"logits", "pooled"}, True, None, "features"),
        ({"features", "attention"}, True, None, "attention"),
        ({"pooled"}, True, "relations", "relations"),
    ],
)
def test_what_is_compared_follows_from_what_is_read_unless_the_card_says(needs, uses_teacher, said, expected):
    class One(Method):
        card = Card("", "", "", "", "", "", 1.0, "", "", "", compares=said)

    One.needs, One.uses_teacher = frozenset(needs), uses_teacher
    assert method_cards.compares(One) == expected


def test_methods_come_in_the_order_of_what_they_compare():
    order = [list(method_cards.COMPARES).index(entry.compares) for entry in method_cards.entries()]
    assert order == sorted(order)
    assert {entry.name for entry in method_cards.entries()} == set(methods.names())
