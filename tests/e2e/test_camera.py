"""The live camera with Chromium's fake one: maps follow, a frozen frame becomes a photo, and without a camera a sentence says why.
And what an address hides is hidden in a browser too."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NO_CAMERA = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }"
INSECURE = "Object.defineProperty(window, 'isSecureContext', {value: false})"


def test_maps_follow_the_camera_and_a_frozen_frame_becomes_a_photo(visit, shared_server):
    page: Page = visit(f"{shared_server.url}/attention?source=Live+camera&networks=Cues")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_text(re.compile(r"\d+ frames a second"))).to_be_visible()
    answers = page.locator(".answer")
    expect(answers).to_have_count(3)
    for place in range(3):
        expect(answers.nth(place)).to_have_text(re.compile(r"[a-z]+\d+ %"))
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((v, i) => i % 4 === 3 && v > 200)"
    assert any(page.locator("canvas.heat").nth(place).evaluate(painted) for place in range(3))
    page.get_by_role("button", name="Freeze this frame").click()
    expect(page.get_by_role("button", name="Remove my photo")).to_be_visible()
    expect(page.get_by_label("Where each network looks in the photo")).to_be_visible()
    assert "source" not in page.url

    page.add_init_script(NO_CAMERA)
    page.goto(f"{shared_server.url}/attention?source=Live+camera")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_text("This computer has no camera that the browser can find.")).to_be_visible()

    page.add_init_script(INSECURE)
    page.goto(f"{shared_server.url}/attention?source=Live+camera&hide=networks")
    expect(page.get_by_text("A browser gives its camera only to pages at localhost or over HTTPS")).to_be_visible()
    expect(page.get_by_role("button", name="Start the camera")).to_be_disabled()

    networks = page.get_by_role("combobox", name="Networks")  # a role is not found where it is hidden
    expect(page.get_by_text("An exercise: 1 control is hidden.")).to_be_visible()
    expect(networks).to_have_count(0)
    page.get_by_role("button", name="Show all controls").click()
    expect(networks).to_be_visible()
