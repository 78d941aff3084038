"""The pages that need no run: each opens on a telephone, and what a visitor turns there answers."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEADINGS = {
    "": "Distillation Explorer",
    "train": "Train a student",
    "runs": "Runs",
    "studies": "Studies",
    "attention": "Attention",
    "robustness": "Robustness",
    "methods": "Methods",
}
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_opens_on_a_telephone_and_nothing_overflows(shared_server: Server, visit):
    page = visit(shared_server.url)
    page.set_viewport_size({"width": 390, "height": 844})
    for path, heading in HEADINGS.items():
        page.goto(f"{shared_server.url}/{path}")
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert page.evaluate(TOO_WIDE) <= 0, f"{heading} is wider than the telephone."


def test_turning_the_temperature_changes_the_entropy(shared_server: Server, visit):
    page = visit(f"{shared_server.url}/methods?method=kd")
    expect(page.get_by_role("heading", name="Change the temperature")).to_be_visible()
    entropy = page.get_by_text(re.compile(r"^\d\.\d\d nats$")).first
    expect(entropy).to_be_visible()
    before = entropy.inner_text()
    slider = page.get_by_role("slider", name="Temperature").first
    slider.focus()
    slider.press("ArrowRight")
    expect(entropy).not_to_have_text(before)


def test_a_patch_that_is_covered_changes_what_the_networks_say(shared_server: Server, visit):
    page = visit(f"{shared_server.url}/attention?photo=cues-star.png")
    tile = page.locator("figure", has=page.get_by_text("Teacher", exact=True)).first.locator(".tile")
    expect(tile).to_be_visible()
    page.get_by_role("button", name="cover it").click()
    tile.click(position={"x": 120, "y": 120})
    expect(page.get_by_text(re.compile(r"was \d+ %")).first).to_be_visible()


def test_a_ready_made_study_is_offered_with_what_it_compares(shared_server: Server, visit):
    page = visit(f"{shared_server.url}/studies")
    page.get_by_role("tab", name="Ready-made studies").click()
    expect(page.get_by_text(re.compile("studies come with the project"))).to_be_visible()
    expect(page.get_by_role("combobox", name="Study")).to_be_visible()
