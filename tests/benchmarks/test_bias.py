"""docs/bias.md: its generated part and its pictures."""

import re

from benchmarks import bias
from kdcore.robustness.report.blocks import Heading, Items, Text
from tools import generated

MOST_BYTES = 150_000


def test_the_document_has_a_place_for_the_results_and_all_of_its_pictures():
    text = bias.DOCUMENT.read_text("utf-8")
    assert generated.replaced(text, bias.BEGIN, "results").count("results") > 0
    linked = re.findall(r"\]\((pictures/[^)]+)\)", text)
    sizes = {name: (bias.DOCUMENT.parent / name).stat().st_size for name in linked}
    assert all(size < MOST_BYTES for size in sizes.values()), sizes


def test_paragraphs_are_wrapped_and_headings_are_not():
    heading, text, items = bias.wrapped([Heading("word " * 40), Text("word " * 40), Items(["word " * 40])])
    assert "\n" not in heading.text
    assert max(map(len, text.text.splitlines())) <= bias.WIDTH
    assert items.items[0].splitlines()[1].startswith("  word")
