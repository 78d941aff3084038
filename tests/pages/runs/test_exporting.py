"""Export on a run's page: files and the table are made by the operator; a visitor sees a table that was measured."""

import io
import json
import sys
import zipfile

import pytest

from kdcore.errors import NotAllowed, UserError
from kdcore.export.networks import processes
from kdcore.export.networks.processes import Exported
from pages.parts import engine
from pages.parts.runs import exporting

ROW = {
    "name": "student", "top1": 0.9, "low": 0.88, "high": 0.92, "file_bytes": 294_460, "parameters": 72_954, "macs": 9_900_000,
    "latency": {"cpu": {"1": {"runs": 200, "median": 0.15, "p95": 0.2}, "32": {"runs": 20, "median": 7.0, "p95": 7.5}}},
    "memory": 3 << 20, "against": "",
}  # fmt: skip
SMALL = {
    **ROW,
    "name": "student INT8",
    "file_bytes": 103_668,
    "against": "−0.1 percentage points: no conclusion, why not.",
}
TABLE = {
    "run": "x", "rows": [ROW, SMALL], "images": 2000, "threads": 2, "cpu": "A processor", "gpu": "", "onnxruntime": "1.32.0",
    "date": "2026-11-29", "notes": ["teacher: it cannot be exported."],
}  # fmt: skip


@pytest.fixture
def run_id(make_run, runner):
    run_id = make_run()
    folder = runner.store.folder(run_id)
    (folder / "checkpoints").mkdir(exist_ok=True)
    return run_id


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """The run has a checkpoint."""
    from kdcore.store import Store

    monkeypatch.setattr(Store, "checkpoint", lambda self, run_id: tmp_path / "00000020.safetensors")


def button(at, label):
    return next(each for each in at.button if each.label == label)


def test_the_operator_exports_and_downloads(run_id, weights, open_page, monkeypatch):
    asked = []

    def export(store, run_id, network, kind, licence):
        asked.append((run_id, network, kind, licence))
        return Exported(f"{run_id}-{network}.onnx", b"12345", ("largest difference of a logit to PyTorch 3.8e-06",))

    monkeypatch.setattr(processes, "export", export)
    at = open_page("runs.py", run=run_id, more="Export")
    assert not at.exception
    button(at, "Export").click().run()
    assert not at.exception
    assert asked == [(run_id, "student", "onnx", "unknown")]
    assert any("3.8e-06" in each.value for each in at.markdown)
    assert [each.label for each in at.get("download_button") if run_id in each.label] == [f"Download {run_id}-student.onnx (0.005 kB)"]  # fmt: skip


def test_a_refusal_is_shown_in_words(run_id, weights, open_page, monkeypatch):
    def export(*_):
        raise UserError("resnet cannot be exported as ONNX: a reason.")

    monkeypatch.setattr(processes, "export", export)
    at = open_page("runs.py", run=run_id, more="Export")
    button(at, "Export").click().run()
    assert [each.value for each in at.error] == ["resnet cannot be exported as ONNX: a reason."]
    assert not [each for each in at.get("download_button") if "onnx" in each.label]


def test_the_table_is_measured_on_demand_and_stays(run_id, weights, open_page, runner, monkeypatch):
    def measure(store, run_id):
        (store.folder(run_id) / "deploy.json").write_text(json.dumps(TABLE))

    monkeypatch.setattr(processes, "deploy", measure)
    at = open_page("runs.py", run=run_id, more="Export")
    assert any("Not measured yet." in each.value for each in at.caption)
    button(at, "Measure").click().run()
    assert not at.exception
    shown = at.table[0].value.to_string()
    for text in ("Student INT8", "90.0 % (88.0 to 92.0)", "0.10 MB", "0.15 (0.20) ms", "3.0 MiB"):
        assert text in shown
    assert any("2 threads, A processor" in each.value for each in at.caption)
    assert any(
        "- Student INT8 − student: −0.1 percentage points: no conclusion, why not." in each.value
        for each in at.markdown
    )
    assert not any("Not measured yet." in each.value for each in at.caption)


@pytest.mark.parametrize(("threads", "words"), [(1, "1 thread, A processor"), (2, "2 threads, A processor")])
def test_the_number_of_threads_is_in_words(threads, words):
    assert words in exporting.conditions({**TABLE, "threads": threads})


def test_a_visitor_sees_the_table_and_makes_nothing(run_id, weights, open_page, runner, visiting):
    assert "Export" not in labels(open_page("runs.py", run=run_id, more="Recipe and log"))
    (runner.store.folder(run_id) / "deploy.json").write_text(json.dumps(TABLE))
    at = open_page("runs.py", run=run_id, more="Export")
    assert not at.exception
    assert "Student INT8" in at.table[0].value.to_string()
    assert not [each for each in at.button if each.label in ("Export", "Measure", "Measure again")]
    for call in (lambda: engine.export_network(run_id, "student", "onnx"), lambda: engine.measure_deployment(run_id)):
        with pytest.raises(NotAllowed, match="Only the operator can"):
            call()


def labels(at):
    return [option for group in at.get("button_group") for option in group.options]


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", '{"rows": 3}', '{"rows": [{"name": "student"}]}', "[" * 100_000, " " * 2_000_000, "\0", "null"],
)
def test_a_table_that_cannot_be_read_counts_as_none(text, run_id, runner):
    (runner.store.folder(run_id) / "deploy.json").write_text(text)
    assert processes.table(runner.store, run_id) is None


ODD = (
    *({"images": value} for value in (None, "many", -1, 10**400, [1])),
    *(
        {"threads": {}},
        {"cpu": 3},
        {"notes": "x"},
        {"notes": [3]},
        {"notes": ["x" * 5000]},
        {"rows": []},
        {"date": None},
    ),
)
ODD_ROWS = (
    *({"top1": value} for value in ("x", 2, -1, float("nan"), None, [0.5])),
    *({"file_bytes": "much"}, {"file_bytes": None}, {"macs": -5}, {"parameters": 10**30}, {"memory": "x"}, {"memory": 10**400}),
    *({"latency": value} for value in ([], {"cpu": 3}, {"cpu": {"1": {}}}, {"cpu": {"1": {"median": "x", "p95": 1}}}, {"cpu": {"1": None}})),
    *({"name": ["a"]}, {"against": 3}, {"low": None}),
)  # fmt: skip


@pytest.mark.parametrize("change", [*ODD, *({"rows": [{**TABLE["rows"][0], **row}]} for row in ODD_ROWS)])
def test_a_table_that_was_edited_by_hand_is_right_or_none(change, run_id, runner):
    (runner.store.folder(run_id) / "deploy.json").write_text(json.dumps({**TABLE, **change}))
    assert processes.table(runner.store, run_id) is None


def test_what_was_not_measured_is_said_and_markup_is_text(run_id, weights, open_page, runner, visiting):
    row = {**TABLE["rows"][0], "memory": None, "top1": None, "low": None, "high": None, "name": "<b>![x](y)</b>"}
    edited = {**TABLE, "rows": [row], "notes": ["teacher: /srv/secret/w.safetensors is missing <img src=x>"]}
    (runner.store.folder(run_id) / "deploy.json").write_text(json.dumps(edited))
    at = open_page("runs.py", run=run_id, more="Export")
    assert not at.exception
    shown = at.table[0].value.to_string()
    assert shown.count("not measured") == 2
    assert "![x]" not in shown
    note = next(each.value for each in at.caption if "is missing" in each.value)
    assert "/srv/secret" not in note
    assert "<img" not in note.replace("\\<", "")


def test_a_command_that_refuses_gives_its_sentence(runner, monkeypatch):
    """The command's last line of error, without notes and tracebacks."""
    code = "import sys; sys.exit(print('note: slow\\nerror: There is no run.', file=sys.stderr) or 1)"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    with pytest.raises(UserError, match="^There is no run.$"):
        processes.export(runner.store, "x", "student", "onnx")


def test_a_killed_command_is_said(runner, monkeypatch):
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    with pytest.raises(UserError, match="It was stopped before its end, as for lack of memory."):
        processes.deploy(runner.store, "x")


def test_a_folder_comes_as_a_zip_file(runner, monkeypatch):
    code = "import sys, pathlib; out = pathlib.Path(sys.argv[3]); out.mkdir(); (out / 'README.md').write_text('card'); print(out, *sys.argv[4:])"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    made = processes.export(runner.store, "x", "twin", "hub", "mit")
    assert (made.name, made.notes) == ("x-twin.zip", ("x-twin --format hub --license=mit",))
    with zipfile.ZipFile(io.BytesIO(made.content)) as zipped:
        assert zipped.read("x-twin/README.md") == b"card"


def test_a_process_that_takes_too_long_is_ended(runner, monkeypatch):
    monkeypatch.setattr(processes, "SECONDS", 0.2)
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(
        UserError, match="It took longer than .* and was stopped. In a terminal: python -m kdcore deploy x"
    ):
        processes.deploy(runner.store, "x")


def test_a_licence_is_a_text_and_no_option(runner, monkeypatch):
    code = "import sys, pathlib; pathlib.Path(sys.argv[3]).mkdir(); print(sys.argv[4:])"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    made = processes.export(runner.store, "x", "student", "hub", "--out\0\n" + "x" * 5000)
    assert made.notes == (str(["--format", "hub", f"--license=--out  {'x' * 53}"]),)
