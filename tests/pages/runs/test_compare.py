"""Several runs compared: what differs, results, maps and parallel axes."""

import re

import numpy as np
import pytest

from kdcore.events import RunFinished
from kdcore.store.lists import naming
from pages.parts.components.parallel_axes import parallel_axes
from pages.parts.components.run_maps.run_maps import gathered
from pages.parts.runs.compare import differences, results, sweep


def said(test):
    return "\n".join(each.value for each in [*test.caption, *test.markdown])


def tables(test):
    return [each.value for each in test.dataframe]


def states(runner, ids):
    return [runner.store.state(run_id) for run_id in ids]


def test_what_differs_is_a_table_by_dotted_names(open_page, make_run):
    test = open_page("runs.py", run=[make_run(labels=100), make_run(labels=200, seed=3)])
    assert not test.exception
    table = tables(test)[-1].set_index("Setting")
    assert list(table.index) == ["data.labels", "seeds"]
    assert list(table.loc["data.labels"]) == ["100", "200"]
    assert list(table.columns) == ["labels 100", "labels 200"]


def test_equal_recipes_have_no_difference_and_are_called_by_time(open_page, make_run):
    test = open_page("runs.py", run=[make_run(), make_run()])
    assert "Nothing: their recipes are the same, seed included." in said(test)


def test_what_a_user_changed_while_training_is_a_difference_too(open_page, make_run):
    changed = make_run(knobs={"weight/kd": 2.0})
    text = said(open_page("runs.py", run=[changed, make_run()]))
    assert "Their recipes are the same, seed included; settings were changed while training." in text
    assert "Nothing:" not in text
    assert re.search(r"- .+, changed while training: Weight of kd: ", text)
    text = said(open_page("runs.py", run=[changed, make_run(labels=100)]))  # beside a difference of the recipes
    assert "changed while training: Weight of kd: " in text
    assert "are the same" not in text


def test_many_runs_are_rows():
    names, different = {str(i): f"n{i}" for i in range(9)}, {"data.labels": list(range(9))}
    from kdcore.store import RunState

    found = differences.rows([RunState(str(i), "x") for i in range(9)], names, different)
    assert found[3] == {"Run": "n3", "data.labels": "3"}


def test_a_run_whose_recipe_cannot_be_read_is_named(open_page, make_run, runner):
    ids = [make_run(), make_run(labels=100), make_run(labels=200)]
    (runner.store.folder(ids[0]) / "recipe.yaml").write_text("studdent: 1")
    test = open_page("runs.py", run=ids)
    assert not test.exception
    assert not test.error
    assert f"The recipe of {ids[0]} cannot be read." in said(test)
    (results,) = (each.value for each in test.dataframe if "Student − twin" in each.value)
    assert len(results) == 2  # the others are compared


def test_students_are_compared_image_by_image_and_nothing_is_claimed_without_images(open_page, make_run, runner):
    ids = [make_run(labels=100), make_run(labels=200)]
    test = open_page("runs.py", run=ids)
    assert (
        "**labels 200** against labels 100: +0.0 percentage points: no conclusion, the run did not store which test images"
        in said(test)
    )
    figures = {"top1": 0.5, "low": 0.45, "high": 0.55, "correct": 200.0, "count": 400.0}
    targets = np.arange(400) % 2
    for run_id, right in zip(ids, (200, 300), strict=True):
        predicted = np.where(np.arange(400) < right, targets, 1 - targets).astype(np.uint8)
        with runner.store.writer(run_id) as writer:
            writer.append(
                RunFinished(
                    20,
                    {"student": figures | {"top1": right / 400}},
                    1.0,
                    arrays={"targets": targets.astype(np.uint8), "student": predicted},
                )
            )
    gaps = results.against(runner.store.state(ids[0]), states(runner, ids))
    assert gaps[ids[1]].kind == "better"
    assert gaps[ids[1]].mean == pytest.approx(0.25)


def test_the_reference_of_the_results_is_in_the_address(open_page, make_run):
    ids = [make_run(labels=100), make_run(labels=200)]
    test = open_page("runs.py", run=ids, against="labels 200")
    assert "**labels 100** against labels 200" in said(test)


def test_maps_of_the_same_pinned_images_stand_side_by_side(make_run, runner):
    ids = [make_run(labels=100), make_run(labels=200)]
    runs = states(runner, ids)
    names = naming.of(runs, naming.compared)
    data, left_out = gathered(runner.store, runs, names, "student")
    assert [run["title"] for run in data["runs"]] == ["labels 100", "labels 200"]
    assert [run["epochs"] for run in data["runs"]] == [[0.0, 1.0, 2.0]] * 2
    assert (data["last"], data["shape"], left_out) == (2, (3, 8, 8), [])


def test_a_run_with_other_pinned_images_is_left_out_in_words(make_run, runner):
    ids = [make_run(labels=100), make_run(labels=200)]
    file = runner.store.folder(ids[1]) / runner.store.state(ids[1]).probes[0]["file"]
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"images": arrays["images"] + 1})
    runs = states(runner, ids)
    data, left_out = gathered(runner.store, runs, naming.of(runs, naming.compared), "student")
    assert len(data["runs"]) == 1
    assert left_out == ["labels 200 has other pinned images, so that its maps cannot stand beside these."]


def test_a_network_without_maps_and_a_damaged_file_are_said(make_run, runner):
    ids = [make_run(labels=100, difference=None), make_run(labels=200)]
    runs = states(runner, ids)
    names = naming.of(runs, naming.compared)
    assert gathered(runner.store, runs, names, "twin")[1] == ["labels 100: it has no maps of the twin."]
    (runner.store.folder(ids[0]) / runs[0].probes[0]["file"]).write_bytes(b"x")
    assert gathered(runner.store, runs, names, "student")[1][0].startswith(
        "labels 100: The maps of step 0 cannot be shown"
    )


def test_sweeps_have_parallel_axes(open_page, make_run):
    ids = [make_run(labels=labels) for labels in (100, 200, 300, 400)]
    assert "Settings and accuracy" in [each.value for each in open_page("runs.py", run=ids).subheader]
    assert "Settings and accuracy" not in [each.value for each in open_page("runs.py", run=ids[:3]).subheader]


def test_settings_are_to_be_chosen_by_the_validation_images(open_page, make_run, monkeypatch):
    drawn = []
    monkeypatch.setattr(sweep, "parallel_axes", lambda labels, axes, keep: drawn.append(axes))
    text = said(open_page("runs.py", run=[make_run(labels=labels) for labels in (100, 200, 300, 400)]))
    assert [axis.name for axis in drawn[0]] == ["labels", "Student, validation", "Student", "Twin"]
    assert "the best of many on the test images is too high for others" in text


def test_words_are_places_on_an_axis_and_numbers_keep_their_distance():
    plain = parallel_axes._plain(parallel_axes.Axis("labels", ("all", 500, None, 100)))
    assert (plain["words"], plain["values"]) == (["100", "500", "all"], [2, 1, None, 0])
    plain = parallel_axes._plain(parallel_axes.Axis("kd", (0.5, None, 1), unit="%"))
    assert (plain["words"], plain["values"], plain["unit"]) == ([], [0.5, None, 1], "%")
    assert [sweep._value(value) for value in ([3], True, None, 0.5, ["a", "b"])] == [3, "on", None, 0.5, "a + b"]


def test_of_many_runs_six_have_curves_at_first(open_page, make_run):
    ids = [make_run(labels=labels) for labels in range(100, 900, 100)]
    test = open_page("runs.py", run=ids)
    assert not test.exception
    chosen = next(each for each in test.multiselect if each.label == "Curves of")
    assert chosen.value == ids[:6]


def test_where_nothing_may_be_claimed_the_reason_is_given_once(open_page, make_run):
    test = open_page("runs.py", run=[make_run(labels=labels) for labels in (100, 200, 300)])
    reason = "no conclusion for any of them, the run did not store which test images were predicted correctly."
    assert said(test).count("no conclusion") == 1
    assert f"Against labels 100: {reason}" in said(test)
