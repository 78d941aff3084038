"""A newcomer's way through the app, from the first visit to the run found again; then two browsers, and the end."""

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_SECONDS, long_run, serving, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTINGS = 5  # of the recipe quick: three weights, a temperature, the learning rate
HEIGHTS = "all => all.map(each => Math.round(each.getBoundingClientRect().y))"
COLOURS = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"


def start_quick_run(page: Page) -> str:
    """Press the button on Start; returns the id of the run that the visitor is led to."""
    page.get_by_role("button", name="Train it here").click()
    page.wait_for_url(re.compile(r"/train\?.*run="))
    return re.search(r"run=([\w.-]+)", page.url)[1]  # type: ignore[index]


def photo(path: Path) -> Path:
    """A photo of a bright square on a grey wall."""
    pixels = np.full((240, 320, 3), 90, np.uint8)
    pixels[60:180, 90:210] = (230, 120, 40)
    Image.fromarray(pixels).save(path)
    return path


def test_from_the_first_visit_to_the_run_found_again(shared_server, visit, tmp_path):
    page = visit(shared_server.url)
    expect(page.get_by_role("heading", name="Distillation Explorer")).to_be_visible()
    run_id = start_quick_run(page)

    # the curve grows
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    until(lambda: shared_server.store.state(run_id).step > 0, "the first step is taken")
    curve = page.get_by_role("img", name=re.compile("^Accuracy on validation images.*Student [0-9]"))
    expect(curve).to_be_visible()
    before = curve.inner_html()
    until(lambda: curve.inner_html() != before, "the curve has grown")

    # a photo, and both networks' maps over it
    page.get_by_role("link", name="Attention").click()
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(photo(tmp_path / "square.png"))
    for network in ("Teacher", "Student"):
        tile = page.locator("figure", has=page.get_by_text(network, exact=True)).first
        expect(tile.locator("canvas")).to_be_visible()
        assert tile.locator("canvas").evaluate(COLOURS) > 20, f"The {network.lower()}'s heatmap is empty."
    expect(page.get_by_text("square.png").first).to_be_attached()

    # a reload, and the run is where it was
    page.goto(f"{shared_server.url}/runs?run={run_id}")
    page.reload()
    expect(page.get_by_role("heading", name="quick")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Stop").click()  # not that of a page which is being drawn
    page.get_by_role("button", name="Stop the run").click()
    until(lambda: shared_server.store.state(run_id).status == "stopped", "the run has stopped")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert shared_server.store.checkpoint(run_id) is not None


def test_two_browsers_see_the_same_run_and_one_that_leaves_disturbs_nobody(shared_server, visit):
    presenter = visit(shared_server.url)
    run_id = start_quick_run(presenter)
    guest = visit(f"{shared_server.url}/train?run={run_id}")
    for page in (presenter, guest):
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
    for page, knob, key in ((presenter, "Weight of kd", "ArrowRight"), (guest, "Learning rate", "ArrowLeft")):
        page.get_by_role("slider", name=knob).press(key)
    expected = {"weight/kd": 1.1, "learning_rate": 0.9}
    until(lambda: shared_server.store.state(run_id).knobs == expected, "each window has changed its own setting alone")
    for page in (presenter, guest):  # and shows what the other changed
        expect(page.get_by_role("slider", name="Weight of kd")).to_have_value("1.1")
        expect(page.get_by_role("slider", name="Learning rate")).to_have_value("0.9")
    changes = (shared_server.store.folder(run_id) / "events.jsonl").read_text().count("KnobTurned")
    assert changes == len(expected)
    guest.keyboard.press("p")  # in large type too all settings are in one row, at one height
    expect(guest.get_by_role("link", name="Attention")).to_be_hidden()
    sliders = guest.locator(".st-key-knobs").get_by_test_id("stSliderThumbValue")
    until(lambda: sliders.count() == SETTINGS and len(set(sliders.evaluate_all(HEIGHTS))) == 1, "one row of sliders")
    guest.keyboard.press("p")
    presenter.goto("about:blank")
    step = shared_server.store.state(run_id).step
    until(lambda: shared_server.store.state(run_id).step > step, "training goes on")
    guest.get_by_role("main").get_by_role("button", name="Stop").click()
    guest.get_by_role("button", name="Stop the run").click()
    expect(guest.get_by_role("button", name="Resume")).to_be_visible()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_ended_leaves_a_checkpoint_and_a_stopped_run(server, how):
    run_id = long_run(server)
    server.stop(how)
    state = server.store.state(run_id)
    assert (state.status, state.reason) == ("stopped", "The program that trained it was closed.")
    path = server.store.checkpoint(run_id)
    assert path is not None
    assert int(path.stem) == state.step > 0
    lines = (server.store.folder(run_id) / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["event"] == "RunStopped"


def test_a_killed_run_shows_as_interrupted_and_resumes(visit, tmp_path, drawn_data):
    """And the very first visit to a server may be a deep link."""
    with serving(tmp_path, drawn_data) as server:
        run_id = long_run(server)
        until(lambda: server.store.checkpoint(run_id), "a checkpoint is written", seconds=3 * PATIENCE_SECONDS)
        until(
            lambda: server.store.state(run_id).step > server.store.state(run_id).checkpoints[-1]["step"], "it goes on"
        )
        server.stop(signal.SIGKILL)
    killed = server.store.state(run_id)
    assert killed.status == "interrupted"

    with serving(tmp_path, drawn_data) as server:
        page = visit(f"{server.url}/train?run={run_id}")
        expect(page.get_by_text("The process that trained it has ended.")).to_be_visible()
        expect(page.get_by_role("link", name="Attention")).to_be_visible()  # the menu is around it
        page.get_by_role("button", name="Resume").click()
        until(lambda: server.store.state(run_id).status == "running", "it runs again")
        until(lambda: server.store.state(run_id).step > killed.step, "it is further than before")
        steps = server.store.series(run_id)["learning_rate"][0]
        assert (np.diff(steps) > 0).all()
        page.goto("about:blank")
