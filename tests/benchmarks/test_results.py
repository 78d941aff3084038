"""Tables of docs/results.md: their commands, what their numbers follow from, runs that were cut, and the text around them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import trust
from benchmarks.results import commands, document, fingerprint, layouts, measuring, record
from benchmarks.results.measuring import Ledger
from benchmarks.results.record import Measured, RunRecord, outcome, packed
from benchmarks.results.tables import TABLES, Table, chosen
from kdcore.recipe import library
from kdcore.runner import Runner

TINY = """
name: tiny
data: {name: cues, image_size: 32, train_images: 100, test_images: 60, validation: 0.2, batch_size: 16}
teacher: {model: three_stage_cnn_16, accept: true}
student: {model: three_stage_cnn_16}
twin: true
terms: [{method: ce}, {method: kd}]
epochs: 1
probes: {images: 0}
"""


def run(variant: str, seed: int, student: np.ndarray, twin: np.ndarray) -> RunRecord:
    """A run whose networks are right where these [n] booleans say so."""
    results = {
        name: {"top1": right.mean(), "count": len(right)} for name, right in (("student", student), ("twin", twin))
    }
    results["difference"] = {"top1": student.mean() - twin.mean()}
    predictions = {"targets": np.zeros(len(student)), "student": ~student * 1, "twin": ~twin * 1}
    return RunRecord(variant, seed, results, {"student": student.mean()}, right=packed(predictions))


def measured(*runs: RunRecord) -> Measured:
    return Measured("abc1234", "2026-11-28", "2 cores", {"data": "1", "training": "2"}, runs)


def seeds(variant: str, gain: int) -> list[RunRecord]:
    """Three seeds of 400 images, where the student is right on `gain` more than the twin."""
    drawn = np.random.default_rng(0)
    found = []
    for seed in range(3):
        twin = drawn.random(400) < 0.5
        student = twin.copy()
        student[np.flatnonzero(~twin)[: gain + seed]] = True
        student[np.flatnonzero(twin)[:20]] = False
        found.append(run(variant, seed, student, twin))
    return found


def test_every_table_has_commands_that_the_command_line_understands_and_a_place_in_the_document():
    text = document.DOCUMENT.read_text("utf-8")
    for table in TABLES:
        assert table.points(), table.name
        assert text.count(document.begin(table)) == 1, table.name
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_the_document_is_as_it_would_be_written():
    """`python -m benchmarks.results --write` makes it so; it also names the parts that changed since a table was measured."""
    text = document.DOCUMENT.read_text("utf-8")
    assert trust.written(document.written(text, record.read())) == text


def test_a_command_means_the_runs_of_the_command_line():
    first, second = commands.points("distill quick --seeds 3 4 --set epochs=2", "mine")
    assert (first.variant, first.seed, second.seed) == ("mine", 3, 4)
    assert first.recipe == library.recipe("quick").model_copy(update={"epochs": 2, "seeds": (3,), "note": ""})
    varied = commands.points("sweep quick --vary optimizer.lr=1e-3,2e-3 --seeds 0 1 --set twin=false")
    assert [(point.variant, point.seed) for point in varied] == [
        ("lr 0.001", 0),
        ("lr 0.001", 1),
        ("lr 0.002", 0),
        ("lr 0.002", 1),
    ]
    assert {point.recipe.twin for point in varied} == {None} or not any(point.recipe.twin for point in varied)
    assert len(commands.points("study vit-to-cnn-small")) == 15


def test_an_unknown_table_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"There is no table 'quik'\. Tables: quick, all-labels, "):
        chosen(["quik"])
    assert not any(table.long for table in chosen([]))


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("def f(x: float) -> float:\n    '''Twice.'''\n    # a comment\n    return 2 * x", True),
        ("def f(x):\n    return (2 * x)", True),
        ("def f(x):\n    return 3 * x", False),
        ("def f(x):\n    return 2 + x", False),
    ],
)
def test_words_are_no_part_of_a_code_s_hash_and_numbers_are(source, same):
    plain = "def f(x) -> float:\n    return 2 * x" if "->" in source else "def f(x):\n    return 2 * x"
    assert (fingerprint.meaning(source) == fingerprint.meaning(plain)) == same


def test_the_message_of_an_error_is_no_part_of_it_but_its_condition_is():
    first, second, third = (
        fingerprint.meaning(f"if x > {limit}:\n    raise ValueError('{words}')")
        for limit, words in ((1, "a"), (1, "b"), (2, "a"))
    )
    assert first == second != third


def test_a_recipe_is_part_of_it_without_its_name():
    recipe = library.recipe("quick")
    plain = fingerprint.of(("tensors",), [recipe])
    assert fingerprint.of(("tensors",), [recipe.model_copy(update={"name": "other", "note": ""})]) == plain
    other = fingerprint.of(("tensors",), [recipe.model_copy(update={"epochs": 11})])
    assert fingerprint.changed(plain, other) == ["recipes"]


def test_which_images_a_network_predicts_rightly_is_read_as_it_was_written(tmp_path):
    right = np.random.default_rng(0).random(37) < 0.6
    tables = {"one": measured(run("a", 0, right, ~right)), "other": measured()}
    record.write(tables, tmp_path / "measured.json")
    found = record.read(tmp_path / "measured.json")
    assert found == tables
    read = outcome(found["one"].runs[0])
    np.testing.assert_array_equal(read.right("student"), right)
    np.testing.assert_array_equal(read.right("twin"), ~right)


def test_a_table_says_of_each_variant_what_may_be_claimed_among_so_many_comparisons():
    text = layouts.by_variant("method", against="plain")(measured(*seeds("plain", 20), *seeds("good", 90)))
    assert re.search(r"\| good \| .* \| \+17\.\d \(\+\d+\.\d to \+\d+\.\d\) \|", text)
    assert "- good: " in text
    assert "the student is better than its twin." in text
    assert "- plain: " in text
    assert "no difference shown" in text
    assert re.search(r"2 comparisons.*Holm", text)
    assert "Students against those of “plain”, seed by seed" in text


def test_a_table_by_seed_has_a_row_each_and_their_mean():
    text = layouts.by_seed(measured(*seeds("a", 90)))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["0", "1", "2", "mean over seeds"]
    assert "Mean of 3 seeds: the interval covers " in text


def test_the_best_value_on_the_validation_images_is_bold():
    text = layouts.chosen_on_validation("learning rate", "student")(
        measured(*seeds("lr 0.1", 20), *seeds("lr 0.2", 90))
    )
    assert "| **0.2** |" in text
    assert "| 0.1 |" in text
    tie = layouts.chosen_on_validation("learning rate", "student")(measured(*seeds("lr 0.1", 90), *seeds("lr 0.2", 90)))
    assert "| **0.1** |" in tie
    assert "| **0.2** |" in tie


def test_a_table_that_is_older_than_the_code_says_which_parts_changed():
    table = measured()
    assert document.stamp(table, dict(table.parts)) == "Measured on 2026-11-28 at commit abc1234: 2 cores."
    assert document.stamp(table, {"data": "1", "training": "3"}).endswith(
        "Older than this code: training changed since."
    )


def test_a_table_that_was_not_measured_keeps_its_figures_with_a_note():
    table = TABLES[0]
    text = f"# Title\n\n{document.begin(table)}\n\n| a |\n|---|\n| old |\n\n<!-- end -->\nafter\n"
    once = document.written(text, {})
    assert (
        "| old |\n\nMeasured on 2026-11-21 with an earlier version, and not repeated since.\n\n<!-- end -->\nafter\n"
        in once
    )
    assert document.written(once, {}) == once
    again = document.written(once, {table.name: measured(*seeds("quick", 90))})
    assert "earlier version" not in again
    assert "| old |" not in again


def test_a_table_without_figures_names_its_command():
    text = f"{document.begin(TABLES[0])}\n\n<!-- end -->\n"
    once = document.written(text, {})
    assert "Not measured yet: `make results ARGS=quick`." in once
    assert document.written(once, {}) == once


def test_a_table_that_was_cut_goes_on_and_one_that_is_finished_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY)
    table = Table("tiny", {"tiny": f"distill {recipe} --seeds 0 1"}, layouts.by_seed, 0.1)
    ledger = Ledger(tmp_path / "results")
    first, second = table.points()
    runner = Runner(ledger.store, device="cpu", threads=1)
    measuring.run(first, runner, ledger)
    runner.close()
    assert measuring.collected(table, ledger) is None
    begun = ledger.run_of(first, current=True)

    ledger = Ledger(tmp_path / "results")
    assert measuring.measure(table, ledger)
    assert ledger.run_of(first, current=True) == begun
    assert len(list(ledger.store.root.glob("*/events.jsonl"))) == 2
    assert measuring.measure(table, ledger)
    assert len(list(ledger.store.root.glob("*/events.jsonl"))) == 2
    found = measuring.collected(table, ledger)
    assert [each.seed for each in found.runs] == [0, 1]
    assert set(found.runs[0].right) == {"student", "twin", "teacher"}
    assert 0 <= found.runs[0].validation["student"] <= 1

    monkeypatch.setattr(fingerprint, "versions", lambda: "other")
    assert not ledger.finished(second, current=True)
    assert measuring.collected(table, ledger) == found  # what is there is still written, as older
    changed = replace(found, parts=table.parts())
    assert fingerprint.changed(found.parts, changed.parts) == ["versions"]


def test_two_processes_that_measure_tables_at_once_keep_each_other_s_runs(tmp_path):
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    points = [point for table in TABLES for point in table.points()][:2]
    first.begin(points[0], "one")
    second.begin(points[1], "two")
    assert {each["run"] for each in Ledger(tmp_path).entries.values()} == {"one", "two"}
