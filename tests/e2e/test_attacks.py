"""Attacks on a running server while another visitor's run trains: each is refused in words, and the run continues."""

import contextlib
import http.server
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from benchmarks.hostile import Visitor
from kdcore import events as ev
from kdcore.recipe import ModelRecipe, Recipe, Term
from tests.e2e.conftest import FORM, LONG, PATIENCE_SECONDS, Server, hand_in, long_run, serving, until
from tests.kdcore.photos.test_headers import many_scans
from tests.pages.test_markup import MARKUP, NAME
from tests.served.conftest import Served
from tests.small_disk import small_disk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DISK_MIB = 48
TRIES = 3  # to start the run


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own where mounting is allowed, so that it can be filled."""
    folder = tmp_path_factory.mktemp("disk")
    with small_disk(folder, DISK_MIB << 20):
        yield folder


@pytest.fixture(scope="module")
def attacked(disk: Path, drawn_data: Path) -> Iterator[Server]:
    with serving(disk / "server", drawn_data) as server:
        yield server


@pytest.fixture(scope="module")
def training(attacked: Server) -> str:
    """Another visitor's run, which trains through all attacks."""
    return long_run(attacked)


@pytest.fixture
def on(visit, attacked, going_on) -> Callable[[str], Page]:
    """Opens an address of the server in the attacker's browser."""
    return lambda address: visit(f"{attacked.url}/{address}")


@pytest.fixture
def attacker(attacked, going_on) -> Iterator[Visitor]:
    """A program that sends the messages of a browser."""
    with Visitor(attacked.port) as visitor:
        yield visitor


@pytest.fixture
def going_on(attacked, training) -> Iterator[None]:
    """At the end the other visitor's run has to be training."""
    yield
    step = attacked.store.state(training).step
    # one more may have been under way
    until(lambda: attacked.store.state(training).step > step + 1, "the other visitor's run trains on")


def start_long_run(server: Server, page: Page) -> str:
    """As people do it: in a browser."""
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_enabled()  # the whole form is there
    page.get_by_text("Edit the full recipe (YAML)").click()
    area = page.get_by_label("Recipe", exact=True)
    area.fill(LONG)
    area.press("Control+Enter")
    page.get_by_role("button", name="Apply").click()
    for _ in range(TRIES):  # on a busy machine the page may draw the button anew during a click, which is then lost
        expect(start).to_be_enabled()
        start.click()
        with contextlib.suppress(TookTooLong):
            page.wait_for_url(re.compile(r"/train\?.*run="), timeout=PATIENCE_SECONDS * 1000 / TRIES)
            break
    assert "run=" in page.url, f"no run was started; the page has: {page.locator('section.stMain').inner_text()}"
    run_id = re.search(r"run=([\w.-]+)", page.url)[1]  # type: ignore[index]
    until(lambda: server.store.state(run_id).step > 3, "the run trains")
    return run_id


def test_a_text_of_100_000_levels(attacker):
    """It was a segmentation fault in the YAML parser, hence the end of the server."""
    hand_in(attacker, "[" * 100_000 + "]" * 100_000)
    assert "nested too deeply" in attacker.text


def test_options_that_fetch_and_write_files(attacker, tmp_path):
    requests: list[str] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        options = {
            "pretrained_cfg_overlay": {"url": f"http://127.0.0.1:{recorder.server_port}/weights.bin"},
            "cache_dir": str(tmp_path / "stolen"),
        }
        hand_in(attacker, f"student: {{model: resnet18, options: {json.dumps(options)}}}\nterms: [{{method: ce}}]\n")
        assert "option 'pretrained_cfg_overlay' cannot be set" in attacker.text.replace("\\'", "'")
        recorder.shutdown()
    assert requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_page_from_elsewhere(attacked, going_on):
    served = Served(attacked.port, attacked.process)
    status, message = served.open("Host: evil.example", "Origin: http://evil.example")
    assert (status, "does not answer at `evil.example`" in message) == (403, True)
    status, message = served.open("Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:9")
    assert (status, "may not use this app" in message) == (403, True)


def test_a_damaged_run_folder(attacked, attacker):
    folder = attacked.store.root / "20260101-000000-damaged-0000"
    folder.mkdir()
    (folder / "recipe.yaml").write_bytes(b"name: \xff\xfe\nstudent: {model: tiny}\n")
    attacker.visit("runs", f"run={folder.name}")
    assert "is not UTF-8 text" in attacker.text


def test_a_picture_of_5000_scans(on, tmp_path):
    (tmp_path / "scans.jpg").write_bytes(many_scans(5_000, (6000, 6000)))
    page = on("attention")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(tmp_path / "scans.jpg")
    expect(page.get_by_text(re.compile("scans; at most 100")).first).to_be_visible()


def test_names_full_of_markup(attacked, on):
    """Shown as they were written: no link, no image, no formula, and nothing called (`visit` sees to that)."""
    recipe = Recipe(
        name=NAME[:70], note=NAME, student=ModelRecipe(model="tiny"), terms=(Term(method="ce", name=NAME[:30]),)
    )
    run_id = attacked.store.create(recipe)
    with attacked.store.writer(run_id) as writer:
        for text in MARKUP:
            writer.append(ev.Noted(text, "warning"))
        writer.append(ev.RunFailed(NAME, NAME))
    for address in ("runs", "train"):
        page = on(f"{address}?run={run_id}")
        expect(page.get_by_test_id("stAlert").filter(has_text="zq")).to_have_count(len(MARKUP) + 1)
        assert page.locator("[href*='evil'], [src*='evil'], [href*='mailto'], .katex, [onerror]").count() == 0
        shown = "\n".join(page.get_by_test_id("stAlert").all_inner_texts()).replace("\u2060", "")
        texts = [text for text in MARKUP if text.count("`") != 2]  # which a message shows as code
        assert [text for text in texts if " ".join(text.split()) not in " ".join(shown.split())] == []


def test_a_full_disk(attacked, training, disk, visit):
    """It ended the thread that trains, for all later runs as well."""
    if not os.path.ismount(disk):
        pytest.skip("a small disk could not be mounted here")
    page = visit(f"{attacked.url}/train?run={training}")
    with (disk / "filling").open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    until(lambda: attacked.store.state(training).status not in ("running", "paused"), "the run has ended")
    expect(page.get_by_text("The disk is full").first).to_be_visible()
    (disk / "filling").unlink()
    page = visit(f"{attacked.url}/train?{FORM}")
    again = start_long_run(attacked, page)
    assert attacked.store.state(again).status == "running"
