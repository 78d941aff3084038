"""A server that others reach, and hand-made messages of a visitor: no button is drawn, and none of the messages does anything."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.hostile import PASSCODE, Visitor
from kdcore.paths import ASSETS
from kdcore.recipe import library
from kdcore.store import Store
from tests.served.conftest import Served


@pytest.fixture(scope="module")
def served(serve: Callable, drawn_data: Path) -> Iterator[Served]:
    with serve("everywhere", KD_PASSCODE=PASSCODE, KD_DATA=str(drawn_data)) as served:
        yield served


@pytest.fixture
def store(served: Served) -> Store:
    return Store(served.folder / "runs")


def test_pages_have_no_buttons_of_the_operator(served, store):
    run_id = store.create(library.recipe("quick"))
    operators = re.compile(r"Start|Stop|Pause|Resume|Delete|Train it here|Estimate|Check the teacher|Apply a|^Run")
    with Visitor(served.port) as browser:
        for page, query in [
            ("", ""),
            ("train", ""),
            ("train", f"run={run_id}"),
            ("runs", f"run={run_id}"),
            ("studies", ""),
        ]:
            browser.visit(page, query)
            assert [label for label in browser.buttons if operators.search(label)] == [], page
            assert "Passcode" in browser.inputs


def test_ids_that_an_operator_sees_do_nothing_for_a_visitor(served, store):
    """Widgets have the same ids in every visit: what the operator's page draws is pressed in a visitor's."""
    run_id = store.create(library.recipe("quick"))
    with Visitor(served.port) as operator:
        operator.visit("runs", f"run={run_id}")
        operator.enter(PASSCODE)
        assert {"Resume", "Delete"} & operator.buttons.keys()
        drawn = {("runs", f"run={run_id}"): dict(operator.buttons)}
        operator.visit("train")
        drawn["train", ""] = dict(operator.buttons)
        assert "Start training" in operator.buttons
    before = store.ids()
    with Visitor(served.port) as visitor:
        for (page, query), buttons in drawn.items():
            visitor.visit(page, query)
            for label, button in buttons.items():
                if label != "Enter":
                    visitor.press(button)
    assert store.ids() == before
    assert not (store.folder(run_id) / "events.jsonl").exists()


def test_a_wrong_passcode_changes_nothing(served, store):
    with Visitor(served.port) as browser:
        browser.visit("train")
        browser.enter("wrong")
        assert "This is not the passcode" in browser.text
        assert "Start training" not in browser.buttons


def test_a_forged_state_makes_nobody_the_operator(served):
    with Visitor(served.port) as browser:
        browser.visit("train", "operator=1&role=operator&passcode=" + PASSCODE.replace(" ", "%20"))
        browser.send(
            *(WidgetState(id=name, bool_value=True) for name in ("operator", "role", "is_operator", "role-control"))
        )
        assert "Start training" not in browser.buttons


def test_a_folder_of_the_server_in_a_visitors_recipe_is_not_looked_at(served):
    recipe = "data: {name: folder, path: /etc}\nstudent: {model: three_stage_cnn_16}\nterms: [{method: ce}]\n"
    with Visitor(served.port) as browser:
        browser.visit("train")
        typed = WidgetState(id=browser.inputs["Recipe"], string_value=recipe)
        browser.send(typed, WidgetState(id=browser.buttons["Apply"], trigger_value=True))
        assert "Only the operator can use folders of this server" in browser.text


def test_a_message_of_a_visitor_names_no_path(served, store):
    folder = store.root / "20260101-000000-damaged-0000"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_bytes(b"name: \xff\xfe\n")
    with Visitor(served.port) as browser:
        browser.visit("runs", f"run={folder.name}")
        assert "damaged" in browser.text.lower()
        assert str(store.root) not in browser.text
        assert str(ASSETS) not in browser.text


@pytest.mark.parametrize("frame", [b"{}", b"\xff\xff\xff", b'{"rerun_script": {', "a text", '{"a": 1'])
def test_a_message_that_cannot_be_read_ends_its_connection_and_leaves_no_traceback(served, frame):
    log = served.folder / "server.log"
    before = log.read_text()
    with connect(f"ws://127.0.0.1:{served.port}/_stcore/stream", origin=f"http://127.0.0.1:{served.port}") as line:
        line.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            list(line)
    assert closed.value.rcvd.code == 1002
    with Visitor(served.port) as browser:  # the server goes on
        browser.visit("")
    said = log.read_text().removeprefix(before)
    assert said.count("A browser's message that cannot be read was dropped") == 1
    assert "Traceback" not in said


def test_a_component_s_state_that_cannot_be_read_leaves_no_traceback(served):
    log = served.folder / "server.log"
    before = log.read_text()
    with Visitor(served.port) as browser:
        browser.visit("train")
        widgets = set(re.findall(r"\$\$ID-[0-9a-f]+-[\w.-]+", browser.text))
        assert len(widgets) > 10
        for text in ('"{"', "{", '"[1"'):
            browser.send(*(WidgetState(id=name, json_value=text) for name in widgets))
        browser.visit("")
    assert "Traceback" not in log.read_text().removeprefix(before)
