"""The card on a finished run's page: kept results as a small chart, or one button that computes them."""

from pathlib import Path

import pytest

from kdcore.store import Store

from .made_up import QUICK
from .test_robustness import labels, press, text

KEY = "passed-on-{}"


@pytest.fixture
def finished(make_run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A finished run whose networks can be loaded."""
    monkeypatch.setattr(Store, "checkpoint", lambda self, run_id: Path("1.safetensors"))
    return make_run()


@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_kept_results_are_a_small_chart(open_page, finished, made, drawn, page):
    made.kept_ones = list(QUICK)
    at = open_page(page, run=finished)
    assert "**What else passed on**" in text(at)
    shown = drawn[KEY.format(finished)]
    assert [row["id"] for group in shown["groups"] for row in group["rows"]] == QUICK
    assert shown["bar"] == [f"run:{finished}/student", f"run:{finished}/twin"]
    assert "Open in Robustness" in labels(at)
    assert "not corrected for their number; bold: that of the difference excludes 0. One run:" in text(at)
    assert made.asked == []


def test_one_button_computes_them(open_page, finished, made, drawn):
    at = open_page("runs.py", run=finished)
    assert "Not evaluated yet." in text(at)
    press(at, "Evaluate on a few test sets").run()
    assert made.asked == [("assess", tuple(QUICK), 1000)]
    assert len(drawn[KEY.format(finished)]["groups"][0]["rows"]) == len(QUICK)


def test_a_visitor_is_offered_no_button(open_page, finished, made, drawn, visiting):
    at = open_page("runs.py", run=finished)
    assert "Only the operator can evaluate a run from here." in text(at)
    assert "Evaluate on a few test sets" not in labels(at)


def test_a_run_without_checkpoint_or_that_has_not_finished_has_no_card(open_page, make_run, made, drawn):
    for run_id in (make_run(), make_run("stopped")):
        assert "**What else passed on**" not in text(open_page("runs.py", run=run_id))


def test_test_images_that_are_missing_are_named(open_page, finished, made, drawn):
    made.why_not = "The test images of cifar10 are not in data."
    at = open_page("runs.py", run=finished)
    assert made.why_not in text(at)
    assert "Evaluate on a few test sets" not in labels(at)
