"""docs/attention.md has every map, as its card describes it."""

import re

import pytest

from kdcore.explain import map_cards
from kdcore.paths import PROJECT
from tools import map_document

CARDS = map_cards()
PICTURES = PROJECT / "docs" / "pictures" / "maps"


def test_the_document_is_what_the_cards_say():
    document = map_document.DOCUMENT.read_text(encoding="utf-8")
    assert document == map_document.written(document), "docs/attention.md is old: run `python -m tools.map_document`."


def test_every_map_has_its_section_and_no_other_thing_has():
    document = map_document.DOCUMENT.read_text(encoding="utf-8")
    assert re.findall(r"^### .*\(`(\w+)`\)$", document, flags=re.MULTILINE) == list(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_what_the_map_shows_and_does_not_show_and_it_has_a_picture(name):
    assert (PICTURES / f"{name}.png").is_file(), "run `python -m tools.map_pictures`."
    assert " Shows " in CARDS[name].about
    assert re.search(r" Does not (show|depend|explain|see|subtract) ", CARDS[name].about)
