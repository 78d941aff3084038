"""A talk from beginning to end: the presenter trains, turns, forks and tells; three browsers follow, and cannot touch."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.hostile import Visitor
from kdcore.store import Store
from tests.e2e.conftest import until
from tests.e2e.test_presenting import PASSCODE, add_this_view, enter
from tests.e2e.test_visitor import photo
from tests.served.conftest import Served, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

INK = "canvas => canvas.toDataURL()"
OPERATORS = re.compile(r"Train it here|Pause|Continue|Stop|Undo|Reset|Fork|Start|Delete|Resume|Present|Hand over")


@pytest.fixture
def room(tmp_path: Path, drawn_data: Path) -> Iterator[Served]:
    data = {"KD_DATA": str(drawn_data), "KD_PASSCODE": PASSCODE, "KD_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with serving(tmp_path / "talk", "unhurried everywhere", **data) as served:
        yield served


def press_what_the_operator_has(port: int, run_id: str) -> int:
    """Every button and slider of the operator's page of a run, in a visitor's messages; how many."""
    with Visitor(port) as operator:
        operator.visit("train", f"run={run_id}")
        operator.enter(PASSCODE)
        buttons = [button for label, button in operator.buttons.items() if OPERATORS.search(label)]
    with Visitor(port) as visitor:
        visitor.visit("train", f"run={run_id}")
        for button in buttons:
            visitor.press(button)
        visitor.send(WidgetState(id="stage_bar", json_trigger_value='{"act": {"what": "present"}}'))
    return len(buttons)


def test_a_talk(room, visit, tmp_path):
    url, store = f"http://127.0.0.1:{room.port}", Store(room.folder / "runs")
    presenter = visit(url)
    enter(presenter)
    guest = visit(f"{url}/?follow=1")
    tablet = visit(f"{url}/?follow=1", 820)

    # the run starts, and its curve and maps move; a phone comes late, while the first step is prepared
    presenter.get_by_role("button", name="Train it here").click()
    presenter.wait_for_url(re.compile(r"/train\?.*run="))
    run_id = re.search(r"run=([\w.-]+)", presenter.url)[1]  # type: ignore[index]
    audience: list[Page] = [guest, tablet, visit(f"{url}/?follow=1", 390)]
    until(lambda: store.state(run_id).step > 0, "the first step is taken")
    chart, cell = (
        presenter.locator("svg.chart").first,
        presenter.locator('canvas.heat[aria-label^="Where the Student"]').first,
    )
    expect(cell).to_be_visible()
    before = chart.inner_html(), cell.evaluate(INK)
    until(lambda: chart.inner_html() != before[0] and cell.evaluate(INK) != before[1], "the curve and a map have moved")
    for page in audience:
        page.wait_for_url(f"**/train?run={run_id}")
        expect(page.locator("canvas.heat").first).to_be_visible()

    # a knob; everybody sees its value
    presenter.get_by_role("slider", name="Weight of kd").press("ArrowRight")
    until(lambda: store.state(run_id).knobs, "the run has the new weight")
    for page in audience:
        expect(page.get_by_text(re.compile(r"Weight of kd 0\.9 → 0\.99"))).to_be_visible()
        assert [each for each in page.get_by_role("button").all_inner_texts() if OPERATORS.search(each)] == []

    # one tries every control, by messages and requests made by hand
    assert press_what_the_operator_has(room.port, run_id) >= 3
    view = {"page": "methods", "query": ""}
    for headers in ({}, {"X-Window": "made up"}):
        answer = audience[0].request.post(f"{url}/api/stage", data=view, headers={"Origin": url, **headers})
        assert (answer.status, answer.json()["error"]) == (403, "Only the window of the presenter can do this.")
    state = store.state(run_id)
    assert (state.status, state.knobs, len(store.ids())) == ("running", {"weight/kd": 1.1}, 1)

    # a fork; parent and child on one page, for all
    presenter.get_by_role("button", name="Fork").click()
    presenter.get_by_role("button", name="Start the fork").click()
    presenter.wait_for_url(re.compile(r"/runs\?.*run=.*run="))
    child = next(each for each in store.ids() if each != run_id)
    for page in audience:
        page.wait_for_url(re.compile(f"/runs.*{child}"))
    add_this_view(presenter, "What if?")
    presenter.get_by_role("button", name="Add", exact=True).click()
    expect(presenter.get_by_role("dialog")).to_have_count(0)

    # one uploads a photo of its own and comes back to the storyboard
    presenter.get_by_role("link", name="Attention").click()
    guest.wait_for_url("**/attention*")
    guest.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(photo(tmp_path / "square.png"))
    expect(guest.get_by_text("square.png").first).to_be_attached()
    presenter.keyboard.press("p")
    presenter.keyboard.press("PageUp")
    expect(presenter.get_by_text("What if?")).to_be_visible()
    for page in audience:
        back = page.get_by_role("button", name="Back to the presenter")
        expect(page.get_by_text("What if?").or_(back).first).to_be_visible()
        if back.is_visible():
            back.click()
        expect(page.get_by_text("What if?")).to_be_visible()
    presenter.keyboard.press("l")
    presenter.wait_for_url(re.compile(rf"/train\?run={run_id}&present=1"))
