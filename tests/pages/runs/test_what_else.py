"""What passes on besides accuracy: one line below the result, and curves on perturbed validation images."""

import numpy as np
import pytest

from kdcore import events as ev
from kdcore import recipe as recipes
from pages.parts.runs import what_else

SETS = ("patch_scramble@4", "low_pass@6")


@pytest.fixture
def recipe():
    return recipes.from_plain({
        "name": "inherited", "teacher": {"weights": "cues-teacher"}, "student": {"model": "resnet20"}, "twin": True,
        "terms": [{"method": "ce"}, {"method": "kd"}], "robustness": {"sets": list(SETS), "images": 100},
    })  # fmt: skip


def written(store, recipe, *, twin: bool = True) -> str:
    """A finished run whose student is right on half of the images on which the teacher alone is."""
    networks = ("student", "twin", "teacher") if twin else ("student", "teacher")
    targets = np.arange(200) % 3
    predictions = {
        "targets": targets,
        "teacher": targets,
        "student": targets * (np.arange(200) < 150),
        "twin": targets * 0,
    }
    accuracy = {"student": 0.6, "twin": 0.4, "teacher": 0.8}
    only = {"student/twin": 30, "twin/student": 10, "teacher/twin": 45, "twin/teacher": 5}
    run_id = store.create(recipe)
    with store.writer(run_id) as writer:
        writer.append(ev.RunStarted(0, 10, 1, "cpu", "fp32", ("star", "circle", "square"), 100, 100, {}))
        writer.append(
            ev.RobustnessMeasured(
                10, 1.0, 100, {name: {n: accuracy[n] for n in networks} for name in SETS}, dict.fromkeys(SETS, only)
            )
        )
        results = {name: {"top1": 0.5, "low": 0.4, "high": 0.6, "count": 200} for name in networks}
        writer.append(ev.RunFinished(10, results, 9.0, arrays={k: predictions[k] for k in ("targets", *networks)}))
    return run_id


def test_a_finished_run_with_a_twin_has_one_line_of_what_else_passed_on(open_page, runner, recipe):
    test = open_page("runs.py", run=written(runner.store, recipe))
    assert not test.exception
    (line,) = [each.value for each in test.markdown if each.value.startswith("Besides accuracy")]
    assert "accuracy on scrambled patches (4), of validation images (student − twin +20.0 percentage points (" in line
    assert line.endswith(
        "3 comparisons; in brackets: 95 % intervals, corrected for their number (Holm). "
        "One seed: the intervals cover the choice of the images, not the variation between seeds."
    )


def test_a_run_without_a_twin_has_no_such_line(open_page, runner, recipe):
    alone = recipe.model_copy(update={"twin": False})
    test = open_page("runs.py", run=written(runner.store, alone, twin=False))
    assert not test.exception
    assert not [each for each in test.markdown if each.value.startswith(("Besides accuracy", "What passed on"))]


def test_a_run_has_a_panel_of_curves_for_each_perturbed_set(open_page, runner, recipe):
    panels = what_else.panels_of(recipe)
    assert [panel.title for panel in panels] == ["Scrambled patches (4)", "Low-pass (6)"]
    assert [line.name for line in panels[0].lines] == [
        f"perturbed/patch_scramble@4/{n}" for n in ("student", "twin", "teacher")
    ]
    test = open_page("train.py", run=written(runner.store, recipe), more="What passes on")
    assert not test.exception
    assert any("The same 100 validation images after every epoch" in each.value for each in test.caption)
    assert "What passes on" not in {each.label for each in test.expander}  # they are open


def test_a_recipe_without_perturbed_sets_has_no_curves(recipe):
    assert what_else.panels_of(recipes.from_plain({"student": {"model": "resnet20"}})) == []
