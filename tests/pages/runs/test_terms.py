"""The loss terms on a run's page."""

import json

import pytest

from kdcore import events as ev
from kdcore.recipe import ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.store import RunWriter
from pages.parts.runs import terms as run_terms

FITNETS = Term(method="fitnets", options={"select": 1, "by": "spatial_variance"})
FIGURES = {
    "similarity": 0.5, "similarity/1": 0.5, "variance/0": 9.0, "variance/1": 1.0, "spatial_variance/0": 0.25,
    "spatial_variance/1": 0.75, "kept/0": 0.0, "kept/1": 1.0,
}  # fmt: skip


@pytest.fixture
def shown(runner, open_page):
    """The page of a finished run in which these things happened."""

    def show(*happened: ev.Event, terms: tuple[Term, ...] = (Term(method="kd"), Term(method="attention"), FITNETS)):
        recipe = Recipe(student=ModelRecipe(model="tiny"), teacher=TeacherRecipe(weights="t"), terms=terms, epochs=2)
        run_id = runner.store.create(recipe)
        begun = ev.RunStarted(0, 20, 2, "CPU", "fp32", ("a", "b"), 100, 100, {"student": 5})
        with RunWriter(runner.store.folder(run_id)) as writer:
            for event in (begun, *happened, ev.RunStopped(20, "Stopped by hand.")):
                writer.append(event)
        page = open_page("train.py", run=run_id, more="Terms and layers")
        assert not page.exception
        return page

    return show


def hints(page) -> list[str]:
    return [hint.value for hint in page.info if "of the gradient" in hint.value]


def gradients(share: float, idle: dict[str, float]) -> ev.GradientsMeasured:
    return ev.GradientsMeasured(10, 1.0, {"kd": 1.0, "attention": share}, {"kd": 1 - share, "attention": share}, idle)


def test_a_term_with_a_negligible_gradient_is_named_with_a_better_weight(shown):
    (hint,) = hints(shown(gradients(0.002, {"attention": 719.6})))
    assert hint == (
        "**attention contributes 0.2 % of the gradient at its present weight.** That is its share, not its effect, which only a "
        "run without it shows. At a weight of about 720 it would contribute as much as the other terms."
    )


def test_of_a_finished_run_the_share_is_beside_its_result(shown):
    page = shown(gradients(0.002, {"attention": 720}), ev.RunFinished(20, {"student": {"top1": 0.5}}, 9.0))
    assert not hints(page)
    assert [c.value for c in page.caption if "attention contributed 0.2 % of the gradient" in c.value]


def test_the_hint_is_gone_when_the_term_contributes_again(shown):
    assert not hints(shown(gradients(0.002, {"attention": 720}), gradients(0.4, {})))


def test_a_share_too_small_for_a_figure_is_no_zero():
    assert (run_terms.share(0.0004), run_terms.share(0.0042)) == ("less than 0.1 %", "0.4 %")
    assert [run_terms.rounded(weight) for weight in (719.6, 0.0314, 12345, 4.72)] == ["720", "0.031", "12,000", "4.7"]


def test_each_change_of_a_weight_is_said_with_its_reason(shown):
    page = shown(
        *(ev.WeightAdapted(n, n / 10, "fitnets", 0.5**n, f"kd is {n}") for n in range(1, 8)), ev.StepTaken(8)
    )  # fmt: skip
    (told,) = [m.value for m in page.markdown if "the weight of **fitnets** was lowered" in m.value]
    lines = told.splitlines()
    assert lines[0].startswith(
        "- Epoch 1: the weight of **fitnets** was lowered to **0.00781** times the recipe's value."
    )
    assert lines[0].endswith(":gray[kd is 7.]")
    assert lines[5] == "- and 2 earlier ones; the CSV download has all"


def test_the_ranking_of_layers_is_a_table_with_the_chosen_ones_first(shown):
    page = shown(ev.TermMeasured(10, 1.0, "fitnets", FIGURES))
    (table,) = page.table
    assert table.value.to_dict("list") == {
        "Feature map": ["1", "0"], "Used": ["✓", ""], "Similarity": ["0.5", ""], "Variance": ["1", "9"], "Spatial variance": ["0.75", "0.25"],
    }  # fmt: skip
    assert any("The 1 with the highest spatial variance are used as hints" in caption.value for caption in page.caption)


def test_numbers_of_a_term_become_a_curve_each():
    series = dict.fromkeys(
        [
            "figure/fitnets/similarity",
            "figure/fitnets/similarity/3",
            "figure/kd/held-out loss",  # as runs of earlier versions call it
            "figure/sskd/similarity",
            "loss/a",
        ]
    )
    recipe = Recipe(student=ModelRecipe(model="a"), terms=(Term(method="kd"), FITNETS, Term(method="sskd")))
    panels = run_terms.figure_panels(recipe, series)
    assert {panel.title: [line.name for line in panel.lines] for panel in panels} == {
        "Validation loss": ["figure/kd/held-out loss"],
        "Similarity": ["figure/fitnets/similarity", "figure/sskd/similarity"],
    }


def test_layer_weights_are_drawn_on_a_scale_that_stays(shown):
    weighted = [ev.LayersWeighted(10 * n, float(n), "attention", (0.25, 0.125, 0.625 - 0.5)) for n in (1, 2)]
    page = shown(*weighted)
    chart, _ = page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")
    spec = json.loads(chart.proto.spec)
    assert spec["encoding"]["color"]["scale"]["domain"] == [0, 0.4]
    assert any("Uniform weights would be 33 %" in caption.value for caption in page.caption)


def test_the_weights_of_chosen_layers_are_summed(shown):
    page = shown(*[ev.LayersWeighted(10 * n, float(n), "attention", (0.25, 0.125, 0.5, 0.125)) for n in (1, 2)])
    (layers,) = page.multiselect
    assert layers.value == [1, 2, 3]  # the largest
    assert "Now 88 %; uniform weights would sum to 75 %." in [caption.value for caption in page.caption]
    layers.set_value([3]).run()
    assert "Now 50 %; uniform weights would sum to 25 %." in [caption.value for caption in page.caption]


def test_a_run_without_such_things_says_nothing_of_them(shown):
    page = shown()
    assert not hints(page)
    assert "Loss terms during the run" not in [heading.value for heading in page.subheader]
