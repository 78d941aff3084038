"""Links and the browser's history: what was seen is shown again, in this browser by Back, in another by a link."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Server
from tests.e2e.test_attention_files import encoded, picture

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def seen(page: Page, *, photo: str, poke: str) -> None:
    """The comparison shows this photo, and what was done to it."""
    expect(page.locator(".tiles .name").first).to_have_text(re.compile(photo))
    now = page.locator(".compare .now")
    expect(now).to_contain_text(poke) if poke else expect(now).not_to_contain_text("The photo is")


def test_back_restores_what_was_seen_and_a_shared_photo_opens_elsewhere_until_it_is_removed(
    shared_server: Server, visit
) -> None:
    page = visit(f"{shared_server.url}/attention?photo=cues-star.png")
    expect(page).to_have_title("Attention · Distillation Explorer")
    seen(page, photo="cues star", poke="")
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.reload()  # a link to a page beneath the server's address
    seen(page, photo="cues star", poke="")
    assert refused == []
    page.get_by_role("button", name="Flip").click()
    seen(page, photo="cues star", poke="flipped")
    raw = encoded(picture(), "PNG")
    page.get_by_test_id("stFileUploader").locator("input").first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": raw}
    )
    seen(page, photo="mine.png", poke="")
    page.get_by_role("button", name="Flip").click()
    seen(page, photo="mine.png", poke="flipped")
    own = page.url

    for photo, poke in (("mine.png", ""), ("cues star", "flipped"), ("cues star", "")):
        page.go_back()
        seen(page, photo=photo, poke=poke)
    page.go_forward()
    seen(page, photo="cues star", poke="flipped")
    page.go_forward()
    page.go_forward()
    seen(page, photo="mine.png", poke="flipped")

    elsewhere = visit(own)  # the photo was not shared
    expect(elsewhere.get_by_text("only the visit that uploaded it has it")).to_be_visible()
    expect(elsewhere.locator(".tiles")).to_have_count(0)

    page.get_by_role("button", name="Copy link").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Everyone with the link sees this photo, until")).to_be_visible()
    dialog.get_by_role("button", name="Share and show the link").click()
    link = dialog.locator("code").first
    expect(link).to_contain_text("photo=shared-")
    shared = (link.text_content() or "").strip()
    dialog.get_by_text("Link to remove it sooner").click()
    removal = (dialog.locator("code").nth(1).text_content() or "").strip()

    elsewhere.goto(shared)
    seen(elsewhere, photo="shared until", poke="flipped")
    elsewhere.goto(removal)
    elsewhere.get_by_role("button", name="Stop sharing this photo").click()
    elsewhere.goto(shared)
    expect(elsewhere.get_by_text("its sharing has ended, it was removed")).to_be_visible()
    expect(elsewhere.locator(".tiles")).to_have_count(0)


def test_back_from_the_next_page_leads_to_what_was_seen_on_the_last(shared_server: Server, visit) -> None:
    page = visit(f"{shared_server.url}/attention?photo=cues-star.png&map=Grad-CAM")
    page.get_by_role("radio", name="Download").click()
    page.wait_for_url("**deeper=Download**")
    page.get_by_role("link", name="Methods").first.click()
    expect(page.get_by_role("heading", name="Methods", exact=True)).to_be_visible()
    page.go_back()
    page.wait_for_url("**/attention?**photo=cues-star.png**")
    assert "deeper=Download" in page.url
    seen(page, photo="cues star", poke="")
