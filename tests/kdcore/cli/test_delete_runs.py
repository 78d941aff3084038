"""`runs delete` asks a terminal, not a script, and says which runs and studies use the weights."""

import io

import pytest

from kdcore.cli import main
from kdcore.events import RunStopped
from kdcore.recipe import study as studies
from kdcore.store import Store, Studies


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    return Store(tmp_path / "runs")


@pytest.fixture
def make(store, tiny):
    def made(**changes) -> str:
        run_id = store.create(tiny(**changes))
        with store.writer(run_id) as writer:
            writer.append(RunStopped(0, ""))
        return run_id

    return made


@pytest.mark.parametrize(
    ("answer", "gone"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_terminal_is_asked(store, make, monkeypatch, capsys, answer, gone):
    ids = [make(), make(), make()]
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["runs", "delete", *ids]) == (0 if gone else 1)
    printed = capsys.readouterr()
    assert "Delete 3 runs? This cannot be undone. [y/N]" in printed.err
    assert ("error: Nothing was deleted." in printed.err) is not gone
    assert store.ids() == ([] if gone else sorted(ids, reverse=True))


def test_with_the_flag_nobody_is_asked(store, make, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["runs", "delete", make(), "--yes"]) == 0
    assert capsys.readouterr().err == ""
    assert store.ids() == []


def test_a_script_is_not_asked(store, make, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["runs", "delete", make()]) == 0
    assert store.ids() == []


def test_a_script_needs_the_flag_where_others_use_the_weights(store, make, tiny, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    teacher = make()
    user = make(teacher={"weights": f"run:{teacher}/student"})
    assert main(["runs", "delete", teacher]) == 1
    assert capsys.readouterr().err == (
        f"error: Deleting run {teacher} needs --yes: run {user} uses its weights, and cannot be resumed, or shown with that "
        "network, without them.\n"
    )
    assert main(["runs", "delete", teacher, user]) == 0  # together nobody is left without


def test_a_study_is_named_too_and_a_longer_id_is_another_run(store, make, tiny, monkeypatch, capsys):
    teacher = make()
    recipe = tiny(teacher={"weights": f"run:{teacher}/student@12"})
    plain = {"name": "a", "recipe": recipe.model_dump(mode="json", exclude_defaults=True), "seeds": [0]}
    study_id = Studies(store).create(studies.from_plain(plain))
    make(teacher={"weights": f"run:{teacher}0/student"})
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["runs", "delete", teacher]) == 1
    assert f"study {study_id} uses its weights" in capsys.readouterr().err


def test_where_one_of_several_is_missing_none_is_deleted(store, make, capsys):
    run_id = make()
    assert main(["runs", "delete", run_id, "20260101-000000-gone-0000", "--yes"]) == 1
    assert "There is no run '20260101-000000-gone-0000'" in capsys.readouterr().err
    assert store.ids() == [run_id]
