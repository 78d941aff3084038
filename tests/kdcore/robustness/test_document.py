"""docs/bias.md names sets, measures, methods, recipes and studies that exist."""

import re

import pytest

from kdcore import methods
from kdcore.data import perturbations
from kdcore.paths import PROJECT
from kdcore.results.bias.measures import MEASURES

DOCUMENT = (PROJECT / "docs" / "bias.md").read_text(encoding="utf-8")
ELEMENTS = DOCUMENT.partition("## Elements of the fifth project")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in ELEMENTS.splitlines() if line.startswith("| ")][1:]
NAMED = sorted(
    {name for _, place in ROWS for name in re.findall(r"`([a-z0-9_-]+)`", place)}
    - {"-small", "-long", "independent", "weights", "pretrained"}
)


def known() -> set[str]:
    """The names of everything that a reader may look up."""
    files = {path.stem for folder in ("recipes", "studies") for path in (PROJECT / "assets" / folder).glob("*.yaml")}
    return {*perturbations.names(), *methods.names(), *files, *(measure.name for measure in MEASURES)}


def test_the_table_names_every_element():
    assert len(ROWS) == 20
    assert {
        "localized_noise",
        "patch_scramble",
        "gram_style",
        "superpixels",
        "fcn_silhouettes",
        "capd",
        "shape_bias",
    } <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_what_the_table_names_exists(name):
    assert name in known()
