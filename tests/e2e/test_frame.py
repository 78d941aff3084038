"""The script in Streamlit's page, in a page that has only what it looks at."""

import pytest

from pages.parts.server.frame import FOLDER

PRESS = """
const why = document.createElement("div");
why.dataset.testid = "stDownloadButtonError";
why.textContent = "Only the operator can export runs.";
this.parentNode.append(why);
"""
PAGE = """<head><script data-pages="runs">{script}</script></head><body><div id="root">
<div data-testid="stDownloadButton"><button onclick='{press}'>Folder</button></div></div></body>"""


def test_why_a_download_failed_stays_until_the_next_press(browser):
    script = (FOLDER / "frame.js").read_text(encoding="utf-8")
    page = browser.new_page()
    page.route(
        "**/*", lambda route: route.fulfill(body=PAGE.format(script=script, press=PRESS), content_type="text/html")
    )
    page.goto("http://app.test/runs")
    page.click("button")
    assert page.get_by_role("alert").inner_text() == "No file: Only the operator can export runs."
    page.mouse.click(300, 300)
    assert page.get_by_role("alert").count() == 0
    page.close()


@pytest.mark.parametrize("how", ["setTimeout(() => { throw Error(words) })", "Promise.reject(Error(words))"])
def test_a_page_whose_script_failed_for_good_is_loaded_again_once(browser, how):
    script = (FOLDER / "frame.js").read_text(encoding="utf-8")
    page, loaded = browser.new_page(), []
    page.on("load", lambda: loaded.append(page.url))
    page.route(
        "**/*", lambda route: route.fulfill(body=PAGE.format(script=script, press=PRESS), content_type="text/html")
    )
    page.goto("http://app.test/runs?run=a")

    def fails(words: str) -> None:
        page.evaluate(f"words => {{ {how}; }}", words)
        page.wait_for_timeout(300)

    fails("another error")
    assert len(loaded) == 1
    fails("Bad delta path index 3 (should be between [0, 1])")
    assert loaded == ["http://app.test/runs?run=a"] * 2
    fails("Cannot set a node at a delta path")  # at once again: it would be loaded for ever
    assert len(loaded) == 2
    page.close()
