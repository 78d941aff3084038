"""A presenter's window and a phone that follows it, on a server that others reach."""

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.served.conftest import Served, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSCODE = "correct horse"


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("stage"), "everywhere", KD_PASSCODE=PASSCODE, KD_THREADS="1") as served:
        yield served


def enter(page: Page) -> None:
    page.get_by_role("button", name="Watching").click()
    page.get_by_label("Passcode").fill(PASSCODE)
    page.get_by_role("button", name="Enter", exact=True).click()
    expect(page.get_by_role("button", name="Operator")).to_be_visible()
    page.keyboard.press("Escape")


def open_from_menu(page: Page, entry: str) -> None:
    page.get_by_role("button", name="Present", exact=True).click()
    page.get_by_role("menuitem", name=entry).click()


def add_this_view(page: Page, caption: str) -> None:
    """A press while a page is still being drawn may be lost, or the page be loaded again: then it is pressed once more."""
    field = page.get_by_label("Caption")
    for _ in range(3):
        open_from_menu(page, "Add this view")
        with contextlib.suppress(AssertionError):
            expect(field).to_be_visible(timeout=20_000)
            break
    field.fill(caption)


def test_a_phone_follows_looks_around_and_gets_control(everywhere, visit):
    url = f"http://127.0.0.1:{everywhere.port}"
    presenter, phone = visit(f"{url}/studies"), visit(f"{url}/?follow=1", 390)
    enter(presenter)
    expect(presenter.get_by_text("Presenting: this window")).to_be_visible()

    # the phone goes where the presenter is, until it looks around
    phone.wait_for_url("**/studies")
    expect(phone.get_by_text("You are watching the presenter.")).to_be_visible()
    presenter.goto(f"{url}/studies?tab=Ready-made+studies")
    expect(presenter.get_by_text("Presenting: this window")).to_be_visible()  # also after a reload
    phone.wait_for_url(re.compile(r"/studies\?tab=Ready-made"))
    expect(phone.get_by_role("tab", name="Ready-made studies", selected=True)).to_be_visible()
    followed = phone.url
    phone.get_by_role("button", name="Look around").click()
    presenter.get_by_role("link", name="Runs").click()
    expect(phone.get_by_role("button", name="Back to the presenter")).to_be_visible()
    assert phone.url == followed
    phone.get_by_role("button", name="Back to the presenter").click()
    phone.wait_for_url("**/runs")

    # it asks for control, which moves to it and back
    phone.get_by_role("button", name="Watching").click()
    phone.get_by_label("Your name").fill("<b>Ada</b>")
    phone.get_by_role("button", name="Ask for control").click()
    expect(presenter.get_by_text("<b>Ada</b> asks for control.")).to_be_visible()
    presenter.get_by_role("button", name="Hand over").click()
    expect(phone.get_by_role("button", name="Operator")).to_be_visible()
    phone.reload()
    expect(phone.get_by_role("button", name="Operator")).to_be_visible()
    presenter.reload()
    presenter.get_by_role("button", name="Take control back").click()
    expect(presenter.get_by_text("Presenting: this window")).to_be_visible()
    expect(phone.get_by_role("button", name="Watching")).to_be_visible()

    # a storyboard of two views, presented with a clicker
    for link, caption in (("Studies", "What to compare"), ("Runs", "All runs")):
        presenter.get_by_role("link", name=link).click()
        expect(presenter.get_by_role("heading", name=link, exact=True)).to_be_visible()
        add_this_view(presenter, caption)
        presenter.get_by_role("button", name="Add", exact=True).click()
        expect(presenter.get_by_role("dialog")).to_have_count(0)
    presenter.keyboard.press("p")
    expect(presenter.get_by_role("link", name="Studies")).to_be_hidden()
    expect(presenter).to_have_url(re.compile("present=1"))
    presenter.evaluate("window.sameDocument = true")
    presenter.keyboard.press("PageUp")
    expect(presenter.get_by_text("What to compare")).to_be_visible()
    expect(presenter.get_by_role("heading", name="Studies", exact=True)).to_be_visible()
    expect(phone.get_by_text("What to compare")).to_be_visible()
    phone.wait_for_url("**/studies")  # not in the presenter's large type
    presenter.keyboard.press("ArrowRight")
    expect(presenter.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    assert presenter.evaluate("window.sameDocument")  # no page was loaded again
    presenter.keyboard.press("Escape")
    expect(presenter.get_by_role("link", name="Studies")).to_be_visible()
