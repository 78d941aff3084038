"""docs/test-sets.md has every perturbed test set, as its card describes it."""

from kdcore.data import perturbations
from tools import test_set_document as document


def test_the_document_is_up_to_date() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert text == document.written(text), "docs/test-sets.md is old: run `python -m tools.test_set_document`."


def test_every_set_is_there_with_its_summary_and_what_it_needs() -> None:
    made = " ".join(document.sets_part().split())
    for name in perturbations.names():
        card = perturbations.get(name)
        assert f"`{name}`" in made
        assert card.summary in made
        assert card.needs in made
