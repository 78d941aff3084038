"""A picture from the clipboard, under the Content-Security-Policy, whose violations `visit` counts."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASTE = """async ([width, height]) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const g = canvas.getContext("2d");
  g.fillStyle = "teal";
  g.fillRect(0, 0, width, height);
  const png = await new Promise((made) => canvas.toBlob(made, "image/png"));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([png], "shot.png", {type: "image/png"}));
  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
}"""


def test_a_pasted_picture_becomes_the_chosen_photo(visit, shared_server):
    page: Page = visit(f"{shared_server.url}/attention")
    expect(page.get_by_role("heading", name="Attention")).to_be_visible()
    expect(page.get_by_role("button", name="Paste")).to_be_visible()
    page.evaluate(PASTE, [640, 480])
    expect(page.get_by_text("Networks see the middle square: 25 % of the photo")).to_be_visible()
    expect(page.get_by_role("button", name="Remove my photo")).to_be_visible()
