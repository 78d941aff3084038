"""The layout of components in a browser: long names and words stay within their place, and nothing is named twice."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from pages.parts.components import loading
from tests.chromium import launched

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
NAME = "a_network_with_a_name_that_is_longer_than_its_picture, pretrained"
RIGHT = "(name) => document.querySelector(name).getBoundingClientRect().right"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with launched() as browser:
        yield browser.new_page(viewport={"width": 1000, "height": 600})


def test_the_legend_of_maps_is_as_wide_as_their_table(page: Page):
    body = loading.text("run_maps", "html").replace(
        '<table class="pinned">', '<table class="pinned"><tr><td>Image</td><td>One</td></tr>'
    )
    body = body.replace('class="whose">', 'class="whose">Map of each student, with words that need more room than it; ')
    page.set_content(f"<style>{loading.text('run_maps', 'css')}</style>{body}")
    assert page.evaluate(RIGHT, ".legend") <= page.evaluate(RIGHT, ".wide")
    assert page.evaluate(RIGHT, ".wide") < 500  # the table's own width


@pytest.mark.parametrize(
    ("below", "high", "tile"),
    [
        ("", 831, 176),  # a visitor's live run: the settings in a line
        ("knobs", 721, 145),
        ("box-outcome", 610, 108),
    ],
)
def test_the_maps_of_a_presented_run_are_as_large_as_what_stands_below_them_allows(
    page: Page, below: str, high: int, tile: int
):
    """Pixels of a window of 1920 x 1080, where the head of a run takes 152 of them."""
    own = (loading.FOLDER.parent / "runs" / "run.css").read_text(encoding="utf-8")
    large = (loading.FOLDER.parent / "stage" / "present.css").read_text(encoding="utf-8")
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.set_content(
        f"<html data-present><style>{large}{own}{loading.text('replay', 'css')}</style><div class='st-key-{below}'></div>"
        "<div class='replay stage' style='--columns: 4'><div class='tile'></div></div></html>"
    )
    for name, wanted in ((".stage", high), (".tile", tile)):
        assert page.evaluate("(name) => document.querySelector(name).getBoundingClientRect()", name)[
            "height"
        ] == pytest.approx(wanted, abs=1.5)


def heading(page: Page, title: str, network: str) -> None:
    """The tile of a network, 150 pixels wide."""
    script = loading.script("attention_compare").replace("export default function", "const shown = function")
    page.set_content(
        f"<style>{loading.text('attention_compare', 'css')}</style><div id=place style='width: 150px'></div>"
    )
    look = (
        f"{{title: '{title}', network: '{network}', method: '', where: '', values: '', predictions: [], agreement: []}}"
    )
    page.add_script_tag(
        content=f"{script}\ndocument.querySelector('#place').append(figureOf({look}, {{photo: ''}}).figure);",
        type="module",
    )
    page.locator(".who").wait_for()


def test_a_long_name_of_a_network_stays_within_its_column(page: Page):
    heading(page, NAME, NAME)
    assert page.evaluate(RIGHT, ".who b") <= page.evaluate(RIGHT, "#place")


def test_a_network_is_named_once_where_its_heading_is_its_name(page: Page):
    heading(page, NAME, NAME)
    assert page.locator(".who").inner_text() == NAME
    heading(page, "Student", "cues-student")
    assert page.locator(".who").inner_text().split() == ["Student", "cues-student"]
