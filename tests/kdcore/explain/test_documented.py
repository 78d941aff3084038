"""docs/attention.md knows every map, and shows it."""

import re

import pytest

from kdcore.explain import map_cards
from kdcore.paths import PROJECT

CARDS = map_cards()

PAGE = PROJECT / "docs" / "attention.md"


def sections() -> dict[str, str]:
    """A map's name -> what stands under its heading."""
    parts = re.split(r"^### .*\(`(\w+)`\)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_map_has_its_section_and_no_other_thing_has():
    assert sorted(sections()) == sorted(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_a_section_has_the_maps_title_a_picture_and_what_it_does_not_show(name):
    assert f"### {CARDS[name].title} (`{name}`)" in PAGE.read_text(encoding="utf-8")
    section = sections()[name]
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", section)
    assert picture == f"pictures/maps/{name}.png"
    assert (PAGE.parent / picture).is_file()
    assert re.search(r"\bShows\s", section)
    assert re.search(r"Does\s+not\s+(show|know|explain|see|subtract)\s", section)
