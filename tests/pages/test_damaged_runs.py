"""A damaged run is one line that says what is wrong; the others, and every page, are as ever."""

import contextlib
import os
import re
import shutil
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kdcore import inspection
from kdcore.errors import DamagedRun
from kdcore.events import Noted
from kdcore.store import Store, folders
from pages.parts.runs import table
from pages.parts.server import routes

from .damage import WAYS, line
from .test_methods import real  # noqa: F401 (a fixture)
from .test_runs import button

PAGES = ("runs.py", "start.py", "train.py", "attention.py", "studies.py", "methods.py")


@pytest.fixture(params=WAYS)
def damaged(request, runner, make_run) -> tuple[str, str, set[str]]:
    """A damaged run, what is said of it, and the two healthy ones beside it."""
    harm, said = WAYS[request.param]
    healthy = {make_run(name="one"), make_run("stopped", name="two")}
    run_id = make_run(name="hurt")
    harm(runner.store.folder(run_id))
    return run_id, said, healthy


def test_it_is_one_line_of_the_list_and_can_be_deleted(damaged, runner):
    run_id, said, healthy = damaged
    for store in (runner.store, Store(runner.store.root)):
        states = {state.id: state for state in store.states()}
        assert set(states) == healthy | {run_id}
        assert re.search(said, states[run_id].damage), states[run_id].damage
        assert "\n" not in states[run_id].damage
        assert {states[each].status for each in healthy} == {"finished", "stopped"}
        assert not any(states[each].damage for each in healthy)
        rows = table.rows(list(states.values()))
        assert {row.get("Problem", "") for row in rows} == {"", states[run_id].damage}
    runner.store.delete(run_id)
    assert set(runner.store.ids()) == healthy
    assert [path.name for path in runner.store.root.iterdir() if path.name not in healthy] == []


def test_it_is_read_or_refused_in_words(damaged, runner):
    run_id, _, _ = damaged
    store = runner.store
    state = store.state(run_id)
    client = TestClient(Starlette(routes=list(routes.ROUTES)))
    for route in ("state", "series", "series?since=5"):
        answer = client.get(f"/api/runs/{run_id}/{route}")
        assert answer.status_code == (409 if state.status == "damaged" else 200)
        if state.status == "damaged":
            assert state.damage in answer.json()["error"]
    for read in (store.series, store.csv, store.version, store.checkpoint, store.whole_checkpoint, store.snapshots):
        with contextlib.suppress(DamagedRun) if state.status == "damaged" else contextlib.nullcontext():
            read(run_id)


@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_its_own_pages_are_drawn(damaged, open_page, page):
    test = open_page(page, run=damaged[0])
    assert not test.exception
    if page == "runs.py":
        assert button(test, "Delete")


@pytest.mark.usefixtures("real")
def test_every_page_is_drawn_beside_all_kinds_of_damage(runner, make_run, open_page):
    healthy = [make_run(name="one"), make_run(name="two")]
    for harm, _ in WAYS.values():
        harm(runner.store.folder(make_run(name="hurt")))
    for page in PAGES:
        assert not open_page(page).exception, page
    for page in ("train.py", "studies.py"):
        assert not open_page(page, like=runner.store.ids()[0]).exception
    test = open_page("runs.py", run=runner.store.ids())
    assert not test.exception
    assert [error.value for error in test.error] == []
    assert f"{len(WAYS) + 2} runs compared" in [element.value for element in test.subheader]
    assert inspection.choices(runner.store)
    assert set(healthy) < set(runner.store.ids())


def test_a_recording_that_is_damaged_leaves_the_start_page(runner, make_run, open_page):
    for number, (harm, _) in enumerate(WAYS.values()):
        run_id = make_run(name="quick")
        folder = runner.store.folder(run_id)
        runner.store.recorded.mkdir(exist_ok=True)
        os.replace(folder, runner.store.recorded / f"2026{number:04d}-000000-quick")
        harm(runner.store.recorded / f"2026{number:04d}-000000-quick")
    for run_id in runner.store.ids():
        alone = Store(runner.store.root, recorded=runner.store.recorded / "none")
        os.makedirs(alone.recorded, exist_ok=True)
        os.replace(runner.store.recorded / run_id, alone.recorded / run_id)
        runner.store = alone
        test = open_page("start.py")
        assert not test.exception, run_id
        assert [error.value for error in test.error] == [], run_id
        assert button(test, "Train it here"), run_id
        os.replace(alone.recorded / run_id, runner.store.root.parent / run_id)
        runner.store = Store(alone.root, recorded=alone.recorded.parent)


def test_a_line_of_a_quarter_of_a_gigabyte_is_passed_over_without_being_held(runner, make_run):
    run_id = make_run()
    path = runner.store.folder(run_id) / "events.jsonl"
    size = path.stat().st_size
    os.truncate(path, size + (1 << 28))  # zeros that take no room on disk
    tracemalloc.start()
    try:
        state = Store(runner.store.root).state(run_id)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 << 20
    assert state.status == "finished"
    assert "longer than 1 MiB" in state.damage


def test_a_long_line_that_is_still_being_written_is_counted_once(runner, make_run):
    run_id = make_run()
    path = runner.store.folder(run_id) / "events.jsonl"
    for _ in range(3):
        with path.open("ab") as file:
            file.write(b"x" * 2_000_000)
        assert runner.store.state(run_id).damage.startswith("1 line of events.jsonl")
    line(b"")(path.parent)  # it ends
    line(b'{"event": "Noted", "text": "later", "time": 2000000000}')(path.parent)
    state = runner.store.state(run_id)
    assert state.damage.startswith("1 line of events.jsonl")
    assert state.notes[-1]["text"] == "later"


def test_events_that_were_cut_are_folded_anew(runner, make_run):
    run_id = make_run()
    path = runner.store.folder(run_id) / "events.jsonl"
    assert runner.store.state(run_id).status == "finished"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert runner.store.state(run_id).status == "interrupted"


def test_a_recipe_that_was_mended_is_read_again(runner, make_run):
    run_id = make_run(name="mine")
    path = runner.store.folder(run_id) / "recipe.yaml"
    whole = path.read_text()
    path.write_text("studdent: 1")
    assert "studdent" in runner.store.state(run_id).damage
    path.write_text(whole)
    state = runner.store.state(run_id)
    assert (state.name, state.damage) == ("mine", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
@pytest.mark.parametrize("name", ["", "recipe.yaml", "events.jsonl", "probes"])
def test_what_may_not_be_read_is_said(make_run, runner, name):
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        root = Path(place) / "runs"
        run_id = make_run()
        shutil.move(runner.store.root, root)
        for path in (Path(place), root, *root.rglob("*")):
            path.chmod(0o755)
        (root / run_id / name).chmod(0)
        os.seteuid(65534)
        try:
            (state,) = Store(root).states()
        finally:
            os.seteuid(0)
            (root / run_id / name).chmod(0o755)
        assert "Permission denied" in state.damage or name == "probes"
        runner.store.root.mkdir()


def test_a_run_deleted_while_it_is_listed_is_left_out(runner, make_run, monkeypatch):
    kept, gone = make_run(name="kept"), make_run(name="gone")
    listed = folders._listed

    def late(root, *known):
        names = listed(root, *known)
        if gone in names:
            monkeypatch.undo()
            Store(runner.store.root).delete(gone)
        return names

    monkeypatch.setattr(folders, "_listed", late)
    assert [state.id for state in runner.store.states()] == [kept]


def test_the_longest_name_is_no_run(runner):
    with pytest.raises(ValueError, match="There is no run"):
        runner.store.state("a" * 5000)


def test_a_checkpoint_that_was_left_out_is_said_on_both_pages(runner, make_run, open_page):
    run_id = make_run()
    with runner.store.writer(run_id) as writer:
        for _ in range(2):
            writer.append(Noted("The checkpoint 00000020.safetensors is damaged and is left out.", "warning"))
    for page in ("runs.py", "train.py"):
        said = [warning.value for warning in open_page(page, run=run_id).warning]
        assert said == ["The checkpoint 00000020.safetensors is damaged and is left out."]


def test_a_probe_that_cannot_be_read_is_omitted(runner, make_run, open_page):
    run_id = make_run()
    (runner.store.folder(run_id) / "probes/00000020.npz").write_bytes(b"x")
    test = open_page("train.py", run=run_id)
    assert not test.exception
    assert "1 epoch is omitted: the files are damaged." in [caption.value for caption in test.caption]


def test_maps_that_cannot_be_read_are_said_in_their_place(runner, make_run, open_page):
    run_id = make_run()
    (runner.store.folder(run_id) / "probes/00000000.npz").write_bytes(b"x")
    test = open_page("train.py", run=run_id)
    assert not test.exception
    assert re.search(r"The maps of step \d+ cannot be shown: .*is damaged", test.warning[0].value)
