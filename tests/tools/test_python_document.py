"""docs/python.md: its reference is that of the code, and its first example runs."""

import re

import kdcore as kd
from tools import python_document


def test_the_reference_is_up_to_date():
    document = python_document.DOCUMENT.read_text(encoding="utf-8")
    assert python_document.written(document) == document, "run: python -m tools.python_document"


def test_everything_that_is_offered_is_described():
    text = python_document.reference()
    assert [name for name in kd.__all__ if f"### `kd.{name}`" not in text] == ["Recipe", "train"]  # of other modules


def test_the_first_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(python_document.DOCUMENT.parents[1])
    example = re.search(r"```python\n(.*?)```", python_document.DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    scope = {}
    exec(
        example[1].replace('"train_images": 400', '"train_images": 100').replace('"labels": 200', '"labels": 50'), scope
    )
    assert scope["run"].state.status == "finished"
    assert f"{scope['run'].results['student']['top1']}" in capsys.readouterr().out
