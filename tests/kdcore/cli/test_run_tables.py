"""`runs csv`, `runs parquet`, `runs latex` and `runs tensorboard`, on the recording that comes with the project."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet
import pytest

from kdcore import runner
from kdcore.cli import distill, main, progress

RECORDING = "20261121-094047-quick-recording"


def test_a_table_for_latex_is_printed(capsys):
    assert main(["runs", "latex", RECORDING]) == 0
    assert r"quick & 98.8 [98.2, 99.2] & 73.9 [71.9, 75.8] & 99.8 [99.5, 99.9] & $+24.9$" in capsys.readouterr().out


def test_curves_are_written_as_parquet(tmp_path, capsys):
    assert main(["runs", "parquet", RECORDING, "--out", str(tmp_path / "a.parquet")]) == 0
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert (found.num_rows, found.column_names[:3]) == (570, ["run", "step", "epoch"])


def test_several_runs_have_a_column_for_the_run(capsys):
    assert main(["runs", "csv", RECORDING, RECORDING]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run,step,epoch,")
    assert len(lines) == 1 + 2 * 570


@pytest.mark.parametrize("command", [["latex"], ["tensorboard", "logs"], ["parquet", "--out", "a.parquet"]])
def test_a_run_that_does_not_exist_is_said(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["runs", command[0], "nope", *command[1:]]) == 1
    assert "nope" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_event_files_are_written_into_a_folder_of_the_run(tmp_path, capsys):
    assert main(["runs", "tensorboard", RECORDING, str(tmp_path / "logs")]) == 0
    (file,) = (tmp_path / "logs" / RECORDING).iterdir()
    assert file.name.startswith("events.out.tfevents.")
    assert file.stat().st_size > 100_000


def test_event_files_of_a_folder_that_is_a_file_are_refused(tmp_path, capsys):
    (tmp_path / "logs").write_text("")
    assert main(["runs", "tensorboard", RECORDING, str(tmp_path / "logs")]) == 1
    assert str(tmp_path / "logs") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["distill", "quick"], ["runs", "resume", RECORDING], ["runs", "fork", RECORDING]])
@pytest.mark.parametrize(
    ("words", "asked"), [([], []), (["--tensorboard"], [None]), (["--tensorboard", "logs"], [Path("logs")])]
)
def test_event_files_are_a_choice_of_distill_resume_and_fork(command, words, asked, monkeypatch, tmp_path):
    roots = []

    class Runner:
        event_files = SimpleNamespace(write_all=roots.append)

        def __init__(self, store, device): ...
        def start(self, recipe): ...
        def resume(self, run_id): ...
        def fork(self, run_id, changes, **_): ...
        def close(self): ...

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(distill, "refuse_what_cannot_run", lambda recipe, device: None)
    monkeypatch.setattr(runner, "Runner", Runner)
    monkeypatch.setattr(progress, "follow", lambda runner, ids, watcher: 0)
    assert main([*command, *words]) == 0
    assert roots == asked
    assert [path.name for path in tmp_path.iterdir()] == ["logs"] * (asked == [Path("logs")])


def test_a_folder_of_event_files_that_is_a_file_is_refused_before_the_run(tmp_path, capsys):
    (tmp_path / "logs").write_text("")
    assert main(["runs", "resume", RECORDING, "--tensorboard", str(tmp_path / "logs")]) == 1
    assert str(tmp_path / "logs") in capsys.readouterr().err
