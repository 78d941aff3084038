import pytest

from kdcore import methods, models
from kdcore.data import loading
from kdcore.inspection import method_cards
from kdcore.methods.base import Card, Method
from kdcore.paths import PROJECT


def test_the_documentation_on_disk_is_what_the_code_says():
    folder = PROJECT / "docs" / "methods"
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    made = method_cards.pages()
    outdated = sorted(name for name in on_disk | made if on_disk.get(name) != made.get(name))
    assert not outdated, f"Out of date: {outdated}. Run: python -m kdcore methods --write docs/methods"


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
    assert "- CNN to CNN: " in method_cards.page(method_cards.entry("capd"))


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


@pytest.mark.parametrize("name", methods.names())
def test_the_recipe_that_tries_a_method_fits_the_networks_that_come_with_the_project(name):
    recipe = method_cards.trial(method_cards.entry(name))
    classes, side = loading.classes(recipe.data), recipe.data.image_size
    student = models.build(recipe.student, classes, side).shapes()
    teacher = models.build(recipe.teacher, classes, side).shapes() if recipe.teacher else None
    for term in recipe.terms:
        methods.build(term, student, teacher)
    assert recipe.terms[-1].method == name


@pytest.mark.parametrize(("name", "labels"), [("kd", 0.1), ("dkd", 1.0), ("attention", 1.0)])
def test_labels_count_beside_a_method_as_where_its_weight_comes_from(name, labels):
    assert method_cards.trial(method_cards.entry(name)).terms[0].weight == labels


def test_a_method_without_a_teacher_is_tried_without_one():
    recipe = method_cards.trial(method_cards.entry("ce"))
    assert (recipe.teacher, recipe.twin, [term.label for term in recipe.terms]) == (None, False, ["ce"])


def test_writing_drops_pages_of_methods_that_are_gone_and_says_what_changed(tmp_path):
    (tmp_path / "gone.md").write_text("old")
    changed = {path.name for path in method_cards.write(tmp_path)}
    assert {"gone.md", "README.md", "kd.md"} <= changed
    assert not (tmp_path / "gone.md").exists()
    assert method_cards.write(tmp_path) == []


def test_a_page_holds_formula_defaults_and_their_source():
    page = method_cards.page(method_cards.entry("kd"))
    assert page.startswith("# Knowledge distillation (`kd`)\n")
    assert r"$$\mathcal{L} = \tau^2\,\mathrm{KL}" in page
    assert "Weight 0.9, temperature 4. CIFAR-100 in mdistiller" in page
    assert "`{method: kd, weight: 0.9, temperature: 4.0}`" in page


def test_a_card_tells_whether_images_may_be_mixed():
    assert "- **Mixed images** (mixup, CutMix). Possible." in method_cards.facts(method_cards.entry("kd"))
    refused = "- **Mixed images** (mixup, CutMix). Refused, since its negatives are images of other classes"
    assert any(line.startswith(refused) for line in method_cards.facts(method_cards.entry("crd")))
