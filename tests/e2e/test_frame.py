"""The script in Streamlit's page, in a page that has only what it looks at."""

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
