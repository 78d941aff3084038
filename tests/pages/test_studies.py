"""The page Studies: the list, a new study, one study; and common pitfalls."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from kdcore import events as ev
from kdcore.recipe import library
from kdcore.recipe import study as studies
from kdcore.results import pitfalls
from kdcore.results.comparison import Conclusion, Figure, Summary
from kdcore.store import Studies
from pages.parts.studies import chart, view

STUDY = studies.from_plain(
    {
        "name": "mine",
        "note": "Why it is done.",
        "recipe": {"student": {"model": "tiny"}, "twin": True, "epochs": 2},
        "vary": {"data.labels": [100, "all"]},
        "seeds": [0, 1],
    }
)


def said(test: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "error", "warning", "info", "success")
    return "\n".join(str(element.value) for kind in kinds for element in test.get(kind))


def button(test: AppTest, label: str):
    return next(b for b in test.button if b.label == label)


def widget(test: AppTest, kind: str, label: str):
    return next(w for w in test.get(kind) if w.label == label)


@pytest.fixture
def study(runner) -> str:
    return Studies(runner.store).create(STUDY)


def finish(runner, study_id: str, *tops: float) -> None:
    for place, top1 in zip(Studies(runner.store).state(study_id).places, tops, strict=False):
        ended(runner, place.run_id, place.point.recipe, top1, twin=0.5)


def ended(runner, run_id, recipe, student: float, twin: float, teacher: float = 0.9) -> str:
    made = runner.store.create(recipe, run_id)
    results = {
        name: {"top1": top1, "low": top1 - 0.02, "high": top1 + 0.02, "count": 100}
        for name, top1 in {"student": student, "twin": twin, "teacher": teacher}.items()
    }
    gap = student - twin
    counts = {"only_student": round(50 * (1 + gap)), "only_twin": round(50 * (1 - gap))}
    results["difference"] = {"top1": gap, "low": gap - 0.03, "high": gap + 0.03, **counts}
    with runner.store.writer(made) as writer:
        writer.append(ev.RunFinished(20, results, 10.0))
    return made


def test_the_studies_are_listed_and_lead_to_themselves(open_page, study):
    test = open_page("studies.py")
    assert not test.exception
    assert "0 of 4 runs · 2 variants" in said(test)
    button(test, "Open").click().run()
    assert test.query_params["study"] == study
    assert test.title[0].value == "mine"


def test_a_study_shows_its_table_with_intervals_and_a_sentence_a_variant(open_page, runner, study):
    finish(runner, study, 0.6, 0.7, 0.5, 0.5)
    test = open_page("studies.py", study=study)
    assert not test.exception
    table = test.dataframe[0].value.set_index("Variant")
    assert table.loc["labels 100", "Student"] == "65.0 %"
    assert table.loc["labels all", "Student − twin"] == "+0.0"
    assert table.loc["labels all", "Student − labels 100"].startswith("−15.0")
    assert "+15.0 percentage points: no conclusion, 2 seeds are too few (3 are needed)." in said(test)
    assert "Mean of 2 seeds" in said(test)
    assert [b.label for b in test.get("download_button")] == ["CSV"]
    assert not [b for b in test.button if b.label.startswith("Continue")]


def test_the_level_of_intervals_beside_the_table_is_that_of_its_sentences(open_page, runner):
    """Three comparisons: 100 - 5 / 3 = 98.3 % for each where none claims, so only accuracies may be said to have 95 %."""
    plain = {
        "name": "mine",
        "recipe": {"student": {"model": "tiny"}, "twin": True},
        "vary": {"epochs": [2, 3, 4]},
        "seeds": [0],
    }
    study_id = Studies(runner.store).create(studies.from_plain(plain))
    finish(runner, study_id, 0.51, 0.52, 0.5)
    text = said(open_page("studies.py", study=study_id))
    assert text.count("98.3 % interval") == 3
    assert "95 % interval " not in text
    assert (
        "Accuracies have 95 % intervals in brackets; differences are in percentage points, with the intervals of the"
        in text
    )


def test_an_interrupted_study_is_continued_by_a_button(open_page, runner, study):
    finish(runner, study, 0.6)
    test = open_page("studies.py", study=study)
    assert "1 of 4 runs done" in test.get("progress")[0].proto.text
    button(test, "Continue with 3 runs").click().run()
    assert runner.told == [("resume_study", study)]


def test_what_the_runner_refuses_is_said(open_page, runner, study):
    test = open_page("studies.py", study=study)
    runner.refusal = "Another process works on the study."
    button(test, "Continue with 4 runs").click().run()
    assert not test.exception
    assert runner.refusal in said(test)


def test_the_runs_that_failed_say_why_once(open_page, runner, study):
    for place in Studies(runner.store).state(study).places[:2]:
        runner.store.create(place.point.recipe, place.run_id)
        with runner.store.writer(place.run_id) as writer:
            writer.append(ev.RunFailed("The loss is not finite."))
    test = open_page("studies.py", study=study)
    (error,) = test.error
    assert error.value == "labels 100, seed 0; labels 100, seed 1: The loss is not finite."


def test_deleting_asks_first(open_page, runner, study):
    test = open_page("studies.py", study=study)
    button(test, "Delete").click().run()
    assert Studies(runner.store).ids() == [study]
    assert "Its runs stay on the page Runs" in said(test)


def test_an_address_of_a_study_that_is_gone_is_answered(open_page):
    test = open_page("studies.py", study="20200101-000000-gone-0000")
    assert not test.exception
    assert "Study not found" in test.warning[0].value


def test_a_damaged_study_is_an_error_in_words(open_page, runner, study):
    (Studies(runner.store).root / f"{study}.yaml").write_text("nonsense")
    test = open_page("studies.py", study=study)
    assert not test.exception
    assert "cannot be read" in test.error[0].value


def test_a_study_that_comes_with_the_project_is_chosen_and_started(open_page, runner):
    test = open_page("studies.py")
    widget(test, "selectbox", "Study").set_value("temperature").run()
    assert "4 variants × 3 seeds = 12 runs" in said(test)
    button(test, "Start study").click().run()
    assert not test.exception
    (study_id,) = Studies(runner.store).ids()
    assert test.query_params["study"] == study_id


def test_a_sweep_says_what_it_makes_and_starts(open_page, runner):
    test = open_page("studies.py")
    widget(test, "selectbox", "Setting").set_value("optimizer.lr")
    test.run()
    widget(test, "text_input", "Values").set_value("1e-3, 2e-3, 4e-3")
    widget(test, "text_input", "Seeds").set_value("0, 1")
    test.run()
    assert "3 variants × 2 seeds = 6 runs" in said(test)
    button(test, "Estimate cost").click().run()
    assert "About 10 min 24 s for 6 runs" in said(test)
    button(test, "Start study").click().run()
    (state,) = Studies(runner.store).states()
    assert (state.name, len(state.places)) == ("quick: lr", 6)
    assert {place.point.recipe.optimizer.lr for place in state.places} == {0.001, 0.002, 0.004}


def test_the_settings_of_a_sweep_have_names_that_a_visitor_can_read(open_page):
    options = widget(open_page("studies.py"), "selectbox", "Setting").options
    assert options[:4] == ["None", "kd: temperature", "ce: weight", "kd: weight"]
    assert {"learning rate", "labelled images", "epochs"} <= set(options)
    assert not [option for option in options if "." in option]


def test_a_sweep_that_cannot_be_says_why(open_page):
    test = open_page("studies.py")
    widget(test, "selectbox", "Setting").set_value("data.labels").run()
    widget(test, "text_input", "Values").set_value("100, many").run()
    assert not test.exception
    assert "The variant 'labels many'" in test.error[0].value
    widget(test, "text_input", "Values").set_value("[1, 2").run()
    assert "are not values separated by commas" in test.error[0].value


def test_a_recipe_that_cannot_run_starts_nothing(open_page, runner):
    runner.refusal = "The variant 'lr 1' cannot run: no such student."
    test = open_page("studies.py")
    button(test, "Start study").click().run()
    assert runner.refusal in said(test)
    assert Studies(runner.store).ids() == []


@pytest.mark.parametrize("failure", pitfalls.FAILURES, ids=lambda failure: failure.title)
def test_each_failure_says_what_to_expect_and_is_one_click(open_page, runner, failure):
    test = open_page("studies.py")
    assert failure.expects in said(test)
    next(b for b in test.button if b.key == failure.recipe).click().run()
    assert [recipe.name for recipe in runner.started] == [library.recipe(failure.recipe).name]


def test_after_the_run_it_says_from_the_numbers_whether_it_happened(open_page, runner):
    recipe = library.recipe("failures/random-teacher")
    ended(runner, None, recipe, student=0.53, twin=0.88, teacher=0.1)
    test = open_page("studies.py")
    assert test.success[0].value == "As expected."
    assert "The teacher's accuracy is 10.0 %; chance is 10 %." in said(test)
    ended(runner, f"29991231-235959-{'later'}", recipe, student=0.8, twin=0.2, teacher=0.95)
    test = open_page("studies.py")
    assert test.warning[0].value == "Not as expected this time."


def test_older_studies_are_a_click_away(open_page, runner):
    for _ in range(6):
        Studies(runner.store).create(STUDY)
    test = open_page("studies.py")
    assert len([b for b in test.button if b.label == "Open"]) == 6
    assert [each.label for each in test.expander] == ["2 older"]


def test_a_damaged_study_is_a_line_that_can_be_deleted(open_page, runner, study):
    shelf = Studies(runner.store)
    broken = shelf.create(STUDY)
    (shelf.root / f"{broken}.yaml").write_bytes(b"study: \xff")
    test = open_page("studies.py")
    assert not test.exception
    assert "UTF-8" in test.text[0].value
    assert broken in test.text[0].value
    button(test, "Delete this damaged study").click().run()
    assert not test.exception
    assert shelf.ids() == [study]
    assert not open_page("studies.py", study=broken).exception


def test_variants_with_faults_are_named_with_their_seeds(open_page, runner, study):
    places = Studies(runner.store).state(study).places
    for place, top1 in zip(places, (0.1, 0.6, 0.7, 0.1), strict=True):
        run_id = runner.store.create(place.point.recipe, place.run_id)
        figures = {"top1": top1, "low": top1 - 0.02, "high": top1 + 0.02, "count": 100}
        with runner.store.writer(run_id) as writer:
            writer.append(ev.RunStarted(0, 20, 2, "cpu", "fp32", tuple("abcdefghij"), 100, 100, {}))
            writer.append(ev.RunFinished(20, {"student": figures}, 10.0))
    (warning,) = [box.value for box in open_page("studies.py", study=study).warning if "have faults" in box.value]
    assert f"- **labels 100:** at chance (seed {places[0].point.seed})" in warning
    assert f"- **labels all:** at chance (seed {places[3].point.seed})" in warning
    assert "to see the figures and what to try next" in warning


def test_a_study_without_faults_has_no_such_box(open_page, runner, study):
    finish(runner, study, 0.6, 0.7, 0.6, 0.7)
    assert not [box for box in open_page("studies.py", study=study).warning if "have faults" in box.value]


def test_stopping_a_study_asks_first(open_page, runner, study):
    place = Studies(runner.store).state(study).places[0]
    runner.store.create(place.point.recipe, place.run_id)
    runner.busy = (place.run_id,)
    with runner.store.writer(place.run_id) as writer:
        writer.append(ev.Queued())
        test = open_page("studies.py", study=study)
        assert "Stop the runs of this study? They can be continued." in said(test)
        assert runner.told == []
        button(test, "Stop the study").click().run()
    assert runner.told == [("stop_study", study)]


def test_a_study_with_test_sets_offers_its_report_or_says_how_to_make_it(open_page, runner):
    known = Studies(runner.store)
    study_id = known.create(STUDY.model_copy(update={"test_sets": studies.TestSets()}))
    finish(runner, study_id, 0.6, 0.7, 0.5, 0.5)
    test = open_page("studies.py", study=study_id)
    assert f"Its report is made in a terminal: `python -m kdcore study evaluate {study_id}`" in said(test)
    known.report_folder(study_id).mkdir()
    (known.report_folder(study_id) / "report.html").write_text("<p>What passes on</p>")
    test = open_page("studies.py", study=study_id)
    assert not test.exception
    assert "is made in a terminal" not in said(test)
    assert [b.label for b in test.get("download_button")] == ["CSV", "Report"]


def test_continue_counts_no_run_that_a_search_stopped_early(runner, study):
    studies = Studies(runner.store)
    studies.prune(study, [studies.state(study).places[0].run_id])
    assert view.continuing(studies.state(study)) == "Continue with 3 runs"


def test_a_chart_draws_no_interval_where_there_is_none(monkeypatch):
    """Of two seeds, and where the conclusion is refused; the tooltip has the reason instead of an interval of no width."""
    specs = []
    monkeypatch.setattr(chart.st, "vega_lite_chart", lambda spec, **kinds: specs.append(spec))
    top1 = {"student": {"top1": Figure(0.65)}, "twin": {"top1": Figure(0.5, 0.45, 0.55)}}
    difference = Conclusion(0.15, why="2 seeds are too few (3 are needed)")
    chart.draw({"labels 100": Summary(2, top1, difference, 1000)})
    accuracies, gaps = (spec["data"]["values"] for spec in specs)
    assert accuracies == [
        {"variant": "labels 100", "network": "Student", "mean": 65.0, "interval": ""},
        {"variant": "labels 100", "network": "Twin", "mean": 50.0, "low": 45.0, "high": pytest.approx(55), "interval": "45.0 to 55.0 %"},
    ]  # fmt: skip
    assert gaps == [{"variant": "labels 100", "mean": 15.0, "interval": "2 seeds are too few (3 are needed)"}]


@pytest.mark.parametrize("seeds, bounded, captions", [
    (3, True, ["A point is the mean over the finished seeds. Bars: 95 % intervals.", "Dashed: no difference. Bars: the intervals of the sentences above."]),
    (2, False, ["A point is the mean over the finished seeds. A point without a bar has no interval.", "Dashed: no difference. A point without a bar has no conclusion."]),
    (1, True, ["A point is one run. Bars: 95 % intervals.", "Dashed: no difference. Bars: the intervals of the sentences above."]),
])  # fmt: skip
def test_beneath_each_chart_stands_what_its_points_and_bars_are(monkeypatch, seeds, bounded, captions):
    found = []
    monkeypatch.setattr(chart.st, "vega_lite_chart", lambda spec, **kinds: None)
    monkeypatch.setattr(chart.st, "caption", found.append)
    top1 = Figure(0.65, 0.6, 0.7) if bounded else Figure(0.65)
    difference = Conclusion(0.15, 0.1, 0.2, kind="better") if bounded else Conclusion(0.15, why="2 seeds are too few")
    chart.draw({"a": Summary(seeds, {"student": {"top1": top1}, "twin": {"top1": top1}}, difference, 1000)})
    assert found == captions


def test_names_of_variants_that_begin_alike_are_written_in_full():
    names = [
        "labels alone, no term that reads the teacher",
        "labels alone, no term that reads the twin",
        "kd",
        'a "b" \\',
    ]
    text = chart.in_lines(names)
    assert text.endswith("[datum.label]")
    lines = json.loads(text.removesuffix("[datum.label]"))
    assert [" ".join(lines[name]) for name in names] == names
    assert lines["kd"] == ["kd"]
    assert max(map(len, lines[names[0]])) <= 28
