"""Below a run's verdict: diagnoses, what else changed, and results by class."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdcore import events as ev
from kdcore import recipe as recipes
from kdcore.results.diagnoses.evidence import Diagnosis
from kdcore.results.predictions import ClassRow
from pages.parts.runs import class_charts, faults

PETS = ("cat ![x](http://a.b/c.png)", "dog")
TARGETS = np.array([0] * 81 + [1] * 19)


@pytest.fixture
def pets(runner) -> str:
    """A finished run on cats and dogs, of which 81 % are cats, whose student always predicts a dog."""
    predictions = {"targets": TARGETS, "teacher": TARGETS, "student": np.ones(100, int), "twin": np.zeros(100, int)}
    results = {}
    for name, low, high in (("teacher", 0.96, 1.0), ("student", 0.12, 0.28), ("twin", 0.72, 0.88)):
        top1 = float((predictions[name] == TARGETS).mean())
        results[name] = {
            "top1": top1, "low": low, "high": high, "count": 100, "nll": 0.5, "ece": 0.137, "balanced_accuracy": 0.5,
            "temperature": 1.84, "ece_scaled": 0.021, **({} if name == "teacher" else {"kl": 0.594, "error_consistency": 0.31}),
        }  # fmt: skip
    results["agreement"] = {"student": 0.19, "twin": 0.81}
    plain = {"name": "pets", "teacher": {"weights": "cues-teacher"}, "student": {"model": "resnet20"}, "twin": True,
             "terms": [{"method": "ce"}, {"method": "kd"}]}  # fmt: skip
    run_id = runner.store.create(recipes.from_plain(plain))
    with runner.store.writer(run_id) as writer:
        writer.append(ev.RunStarted(0, 10, 1, "cpu", "fp32", PETS, 100, 100, {}))
        writer.append(ev.Evaluated(10, 1.0, "validation", {"student": {"top1": 0.2, "count": 60}}))
        writer.append(ev.RunFinished(10, results, 9.0, arrays=predictions))
    return run_id


def said(test: AppTest) -> str:
    return "\n".join(element.value for element in [*test.markdown, *test.caption, *test.warning])


@pytest.fixture
def drawn(monkeypatch) -> list[dict]:
    """The charts that were drawn, as Vega-Lite."""
    found: list[dict] = []
    monkeypatch.setattr(class_charts, "draw", lambda spec, alt: found.append(spec))
    return found


@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_what_else_changed_is_a_table_with_explanations(open_page, pets, page):
    test = open_page(page, run=pets)
    assert not test.exception
    text = said(test)
    assert "**What else changed**" in text
    for value in ("0.500 nats", "13.7 %", "2.1 % (T\u00a01.84)", "0.594 nats", "19.0 %", "0.31"):
        assert value in text
    helps = {element.value: element.proto.help for element in test.markdown if element.proto.help}
    assert helps["Calibration error after scaling"].startswith("The same with the logits divided by one temperature")
    assert len(helps) >= 7
    assert "Values of one run on the 100 test images, without intervals" in text
    assert "T is fitted to 60 validation images." in text


def test_results_by_class_are_charts_and_a_file(open_page, pets, drawn):
    test = open_page("runs.py", run=pets)
    bars, matrix = drawn
    assert [bar["value"] for bar in bars["data"]["values"]] == [100, -100]
    assert {(cell["true"], cell["predicted"], cell["images"]) for cell in matrix["data"]["values"]} == {
        (PETS[0], PETS[1], 81), (PETS[1], PETS[1], 19),
    }  # fmt: skip
    assert "Results by class (CSV)" in [each.label for each in test.get("download_button")]


def test_faults_are_said_with_what_to_try_and_names_are_text(open_page, pets):
    warnings = [element.value for element in open_page("runs.py", run=pets).warning]
    assert any("The student predicts 'dog' for every test image" in text for text in warnings)
    assert all("**Next:** " in text for text in warnings)
    assert "![x](" not in "".join(warnings)


def test_faults_with_the_same_remedy_share_a_box(open_page, pets, monkeypatch):
    found = (Diagnosis("a", "The student is lost.", "Train."), Diagnosis("b", "The twin is lost.", "Train."),
             Diagnosis("c", "The teacher is lost.", "Choose another."))  # fmt: skip
    monkeypatch.setattr(faults, "diagnoses", lambda *_: found)
    assert [element.value for element in open_page("runs.py", run=pets).warning] == [
        "The student is lost.  \nThe twin is lost.  \n**Next:** Train.",
        "The teacher is lost.  \n**Next:** Choose another.",
    ]


def test_an_earlier_run_was_not_measured(open_page, make_run, drawn):
    test = open_page("runs.py", run=make_run())
    assert not test.exception
    assert "not measured" in said(test)
    assert "T is fitted" not in said(test)
    assert "Runs of earlier versions did not store their predictions." in said(test)
    assert drawn == []


def rows(count: int) -> list[ClassRow]:
    return [ClassRow(f"class {place}", 10, {"student": place / count, "twin": 0.5}, 1, 2) for place in range(count)]


@pytest.mark.parametrize("count, shown", [(20, 20), (21, 20), (100, 20)])
def test_of_many_classes_the_ten_best_and_ten_worst_are_shown(drawn, count, shown):
    class_charts.gains(rows(count))
    names = [value["class"] for value in drawn[0]["data"]["values"]]
    assert len(names) == shown
    assert (names[0], names[-1]) == (f"class {count - 1}", "class 0")


def test_the_matrix_of_many_classes_has_the_least_accurate_ones_and_a_column_for_the_rest():
    counts = np.zeros((30, 30), int)
    np.fill_diagonal(counts, 10)
    counts[5, 5], counts[5, 7], counts[5, 3] = 2, 5, 3
    counts[7, 7], counts[7, 5] = 6, 4
    counts[9] = 0  # no test images: not the least accurate
    names, shown = class_charts.selected(counts, tuple(f"class {place}" for place in range(30)))
    assert len(names) == 10
    assert {"class 5", "class 7"} <= set(names)
    assert "class 9" not in names
    assert shown.sum() == counts[[int(name.removeprefix("class ")) for name in names]].sum()
    row = shown[names.index("class 5")]
    assert (row[names.index("class 5")], row[names.index("class 7")], row.sum()) == (2, 5, 10)
    assert class_charts.selected(counts[:20, :20], tuple("abcdefghijklmnopqrst"))[1].shape == (20, 20)
