import contextlib
import csv
import dataclasses
import io
import re

import numpy as np
import pytest

from kdcore import events as ev
from kdcore.recipe import study as studies
from kdcore.results.comparison import sentence
from kdcore.store import Store, Studies

STUDY = studies.from_plain(
    {
        "name": "mine",
        "recipe": {"student": {"model": "tiny"}, "twin": True, "epochs": 2},
        "vary": {"data.labels": [100, "all"]},
        "seeds": [0, 1],
    }
)


@pytest.fixture
def shelf(tmp_path):
    return Studies(Store(tmp_path))


def finish(shelf: Studies, place, top1: float, twin: float = 0.5) -> None:
    """What a runner leaves of a run that is done."""
    figures = {"low": 0.0, "high": 1.0, "count": 100}
    shelf.store.create(place.point.recipe, place.run_id)
    results = {
        "student": {"top1": top1, **figures},
        "twin": {"top1": twin, **figures},
        "difference": {"top1": top1 - twin, "low": -1, "high": 1, "mcnemar": 0.5},
    }
    with shelf.store.writer(place.run_id) as writer:
        writer.append(ev.RunFinished(20, results, 10.0))


def test_a_new_study_knows_its_runs_before_there_is_any(shelf):
    state = shelf.state(shelf.create(STUDY))
    assert [(place.point.variant, place.point.seed) for place in state.places] == [
        ("labels 100", 0), ("labels 100", 1), ("labels all", 0), ("labels all", 1),
    ]  # fmt: skip
    assert len({place.run_id for place in state.places}) == 4
    assert shelf.store.ids() == []
    assert (state.status, state.done) == ("interrupted", 0)


def test_settings_are_chosen_by_the_accuracy_on_validation_images(shelf):
    """The mean over the finished seeds of what each student had at its end."""
    study_id = shelf.create(STUDY)
    first, second, *_ = shelf.state(study_id).places
    for place, top1 in ((first, 0.6), (second, 0.7)):
        finish(shelf, place, 0.9)
        with shelf.store.writer(place.run_id) as writer:
            for step, gained in ((5, 0.1), (10, top1)):
                writer.append(
                    ev.Evaluated(step=step, epoch=step / 10, split="validation", metrics={"student": {"top1": gained}})
                )
    state = shelf.state(study_id)
    assert state.validation("labels 100") == pytest.approx(0.65)
    assert state.validation("labels all") is None


def test_it_is_no_run_of_the_store(shelf):
    shelf.create(STUDY)
    assert shelf.store.states() == []


def test_its_recipe_is_spelled_out(shelf):
    plain = STUDY.model_copy(update={"recipe": "quick", "vary": {}})
    assert shelf.state(shelf.create(plain)).study.recipe["teacher"]["weights"] == "cues-teacher"


def test_its_summaries_are_those_of_its_runs(shelf):
    study_id = shelf.create(STUDY)
    for place, top1 in zip(shelf.state(study_id).places, (0.6, 0.7, 0.8, 0.7), strict=True):
        finish(shelf, place, top1)
    state = shelf.state(study_id)
    assert (state.status, state.done) == ("finished", 4)
    few, every = state.summaries().values()
    assert few.difference.mean == pytest.approx(0.15)
    assert every.networks["student"]["top1"].mean == pytest.approx(0.75)
    against = state.against()
    assert against["labels 100"] is None
    assert against["labels all"].mean == pytest.approx((0.2 + 0.0) / 2)  # seed by seed: .8 - .6 and .7 - .7


def test_what_is_not_done_leaves_its_line_empty(shelf):
    study_id = shelf.create(STUDY)
    finish(shelf, shelf.state(study_id).places[0], 0.6)
    state = shelf.state(study_id)
    assert state.summaries()["labels all"] is None
    assert state.seconds("labels all") is None
    assert state.against() == {"labels 100": None, "labels all": None}
    assert state.summaries()["labels 100"].seeds == 1


def test_the_table_has_a_line_a_run_with_settings_and_figures(shelf):
    study_id = shelf.create(STUDY)
    finish(shelf, shelf.state(study_id).places[2], 0.6)
    rows = list(csv.DictReader(io.StringIO(shelf.csv(study_id))))
    assert len(rows) == 4
    assert [row["data.labels"] for row in rows] == ["100", "100", "all", "all"]
    assert (rows[2]["seed"], rows[2]["status"], rows[2]["student_top1"]) == ("0", "finished", "0.6")
    assert float(rows[2]["difference_top1"]) == pytest.approx(0.1)
    assert rows[0]["student_top1"] == ""


def test_a_run_that_is_deleted_is_to_be_done_again(shelf):
    study_id = shelf.create(STUDY)
    place = shelf.state(study_id).places[0]
    finish(shelf, place, 0.6)
    shelf.store.delete(place.run_id)
    assert shelf.state(study_id).places[0].run is None


def test_a_study_that_is_at_work_is_not_deleted_and_its_runs_outlive_it(shelf):
    study_id = shelf.create(STUDY)
    place = shelf.state(study_id).places[0]
    shelf.store.create(place.point.recipe, place.run_id)
    with shelf.store.writer(place.run_id) as writer:
        writer.append(ev.Queued())
        assert shelf.state(study_id).status == "queued"
        with pytest.raises(ValueError, match="is in progress; stop it before deleting it"):
            shelf.delete(study_id)
    shelf.delete(study_id)
    assert shelf.ids() == []
    assert shelf.store.ids() == [place.run_id]


def test_a_damaged_study_says_so_and_the_others_are_listed(shelf):
    whole, broken = shelf.create(STUDY), shelf.create(STUDY)
    (shelf.root / f"{broken}.yaml").write_text("study: {recipe: quick, varry: 1}\nruns: []\n")
    assert [state.id for state in shelf.states()] == [whole]
    with pytest.raises(ValueError, match=f"The study {broken} cannot be read: (?s:.*)varry"):
        shelf.state(broken)


WHOLE = b"study: {recipe: quick, seeds: [0]}\nruns: [a]\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WHOLE + b"note: \xff\n", "UTF-8"), (b"\0" * 100, "UTF-8"), (b"", "should have `study`"), (b"[1]", "should have `study`"),
        (b"study: 1\nruns: []\n", "should be a mapping"), (WHOLE.replace(b"[a]", b"{}"), "`runs`, a list"),
        (WHOLE.replace(b"[a]", b"[a, b]"), "1 points and names 2 runs"), (WHOLE.replace(b"[0]", b"2026-99-99"), "seeds|date"),
        (b"study: " + b"[" * 20_000, "nested|YAML|deep"), (b"a" * 2_000_000, "2,000,000 bytes"), (b"study: &a {recipe: *a}\n", "alias"),
    ],
)  # fmt: skip
def test_a_damaged_study_is_named_with_its_reason_and_can_be_deleted(shelf, content, said):
    whole, broken = shelf.create(STUDY), shelf.create(STUDY)
    (shelf.root / f"{broken}.yaml").write_bytes(content)
    assert [state.id for state in shelf.states()] == [whole]
    ((study_id, why),) = shelf.damaged().items()
    assert study_id == broken
    assert re.search(said, why), why
    assert "\n" not in why
    shelf.delete(broken)
    assert (shelf.ids(), shelf.damaged()) == ([whole], {})


def test_a_study_that_is_a_folder_or_has_another_name_is_listed_too(shelf):
    (shelf.root / "old.yaml").mkdir(parents=True)
    shelf.create(STUDY)
    (kept,) = (path for path in shelf.root.glob("*.yaml") if path.is_file())
    kept.rename(shelf.root / "mine.yaml")
    assert [state.id for state in shelf.states()] == ["mine"]
    assert shelf.damaged() == {"old": "The study old cannot be read: It is a folder."}
    shelf.delete("old")
    assert shelf.ids() == ["mine"]


def test_a_study_with_a_damaged_run_goes_without_it(shelf):
    study_id = shelf.create(STUDY)
    first, second, *_ = shelf.state(study_id).places
    finish(shelf, first, 0.6)
    finish(shelf, second, 0.7)
    path = shelf.store.folder(first.run_id) / "events.jsonl"
    path.unlink()
    path.mkdir()
    state = shelf.state(study_id)
    assert (state.places[0].run.status, state.done, state.status) == ("damaged", 1, "interrupted")
    assert state.summaries()["labels 100"].seeds == 1
    assert state.against() == {"labels 100": None, "labels all": None}
    assert len(shelf.csv(study_id).splitlines()) == 5


@pytest.mark.parametrize("name", ["gone", "../20200101-000000-x-0000", ""])
def test_what_is_no_study_is_answered(shelf, name):
    with pytest.raises(ValueError, match="There is no study"):
        shelf.state(name)


def test_runs_of_one_recipe_are_gathered_by_seed(shelf):
    study_id = shelf.create(STUDY)
    places = shelf.state(study_id).places
    for place in places:
        finish(shelf, place, 0.6)
    first, second, third, fourth = (place.run_id for place in places)
    again = shelf.store.create(places[0].point.recipe)  # the same recipe and seed once more, not done
    assert shelf.store.by_recipe([second, third, again, first, fourth]) == [[first, second], [third, fourth]]


def set_out(shelf: Studies, place, *events: ev.Event) -> None:
    """A run that is over, unless nothing happened in it."""
    shelf.store.create(place.point.recipe, place.run_id)
    with shelf.store.writer(place.run_id) as writer:
        for event in events:
            writer.append(event)


@pytest.mark.parametrize(
    "ends, status",
    [
        ([], "interrupted"),
        (["finished"] * 3, "interrupted"),
        (["finished"] * 4, "finished"),
        (["finished", "stopped"], "stopped"),
        (["finished", "stopped", "failed"], "failed"),
        (["failed", "finished", "finished", "finished"], "failed"),
    ],
)
def test_the_status_of_a_study_without_work_is_the_worst_of_its_runs(shelf, ends, status):
    study_id = shelf.create(STUDY)
    for place, end in zip(shelf.state(study_id).places, ends, strict=False):
        if end == "finished":
            finish(shelf, place, 0.6)
        else:
            set_out(shelf, place, ev.RunStopped(1, "x") if end == "stopped" else ev.RunFailed("x", "y"))
    state = shelf.state(study_id)
    assert (state.status, state.done, state.now) == (status, ends.count("finished"), None)


@pytest.mark.parametrize(
    "kinds, status, now",
    [
        (["queued", "queued"], "queued", None),
        (["paused", "queued"], "paused", 0),
        (["queued", "paused"], "queued", 1),
        (["running", "queued"], "running", 0),
        (["queued", "running"], "running", 1),
        (["finished", "queued"], "queued", None),
        (["failed", "running"], "running", 1),
    ],
)
def test_the_status_of_a_study_at_work_is_that_of_the_work(shelf, kinds, status, now):
    study_id = shelf.create(STUDY)
    events = {"queued": [ev.Queued()], "paused": [ev.RunPaused(1)], "running": [], "failed": [ev.RunFailed("x", "y")]}
    started = ev.RunStarted(0, 20, 2, "cpu", "fp32", ("a", "b"), 10, 10, {"student": 1}, {})
    with contextlib.ExitStack() as alive:
        for place, kind in zip(shelf.state(study_id).places, kinds, strict=False):
            if kind == "finished":
                finish(shelf, place, 0.6)
                continue
            shelf.store.create(place.point.recipe, place.run_id)
            writer = alive.enter_context(shelf.store.writer(place.run_id))
            for event in ([] if kind == "queued" else [started]) + events[kind]:
                writer.append(event)
        state = shelf.state(study_id)
        assert state.status == status
        assert state.now == (None if now is None else state.places[now].run)


def test_a_study_is_compared_with_any_of_its_variants_by_the_seeds_that_both_have(shelf):
    study_id = shelf.create(STUDY)
    first, second, _, fourth = shelf.state(study_id).places
    for place, top1 in ((first, 0.6), (second, 0.7), (fourth, 0.75)):
        finish(shelf, place, top1)
    state = shelf.state(study_id)
    assert state.against()["labels all"].mean == pytest.approx(0.05)  # seed 1 alone: 0.75 - 0.7
    assert state.against("labels all")["labels 100"].mean == pytest.approx(-0.05)
    assert state.against("labels all")["labels all"] is None
    with pytest.raises(ValueError, match="no variant 'labels 7'.*labels 100, labels all"):
        state.against("labels 7")


def test_the_time_of_a_variant_is_the_mean_of_its_finished_runs(shelf):
    study_id = shelf.create(STUDY)
    first, second, third, _ = shelf.state(study_id).places
    finish(shelf, first, 0.6)
    finish(shelf, second, 0.6)
    set_out(shelf, third, ev.RunStopped(1, "x"))
    state = shelf.state(study_id)
    places = [
        dataclasses.replace(place, run=dataclasses.replace(place.run, active_seconds=seconds))
        for place, seconds in zip(state.places[:3], (10, 40, 7), strict=True)
    ]
    timed = dataclasses.replace(state, places=(*places, state.places[3]))
    assert timed.seconds("labels 100") == 25
    assert timed.seconds("labels all") is None


def test_the_newest_study_comes_first(shelf):
    study_id = shelf.create(STUDY)
    names = ["20200101-000000-old-0001", "29990101-000000-new-0001"]
    for name in names:
        (shelf.root / f"{name}.yaml").write_text((shelf.root / f"{study_id}.yaml").read_text())
    assert shelf.ids() == [names[1], study_id, names[0]]
    assert [state.id for state in shelf.states()] == [names[1], study_id, names[0]]


def test_the_version_of_a_study_changes_with_its_runs(shelf):
    study_id = shelf.create(STUDY)
    before = shelf.state(study_id)
    finish(shelf, before.places[2], 0.6)
    after = shelf.state(study_id)
    assert before.version() != after.version() == shelf.state(study_id).version()


def finish_with_images(shelf: Studies, place, only_student: int, only_twin: int, *, knob: bool = False) -> None:
    """A run of 500 test images whose predictions are stored."""
    random = np.random.default_rng((place.point.seed, only_student))
    order = random.permutation(500)
    wrong = {"student": order[:only_twin], "twin": order[only_twin : only_twin + only_student]}
    predictions = {"targets": np.zeros(500, np.int16)}
    results = {}
    for name, places in wrong.items():
        predictions[name] = np.zeros(500, np.int16)
        predictions[name][places] = 1
        top1 = 1 - len(places) / 500
        results[name] = {"top1": top1, "low": 0.0, "high": 1.0, "count": 500, "nll": float(random.random())}
    counts = {"only_first": only_student, "only_second": only_twin}
    results["difference"] = {"top1": (only_student - only_twin) / 500, "low": -1, "high": 1, **counts}
    shelf.store.create(place.point.recipe, place.run_id)
    with shelf.store.writer(place.run_id) as writer:
        writer.append(ev.RunStarted(0, 20, 2, "cpu", "exact", ("a", "b"), 400, 400, {}))
        if knob:
            writer.append(ev.KnobTurned(5, "weight/kd", 1.0))
        writer.append(ev.RunFinished(20, results, 10.0, arrays=predictions))


THREE = STUDY.model_copy(update={"seeds": (0, 1, 2)})


def test_a_study_corrects_for_its_variants_and_pairs_students_image_by_image(shelf):
    study_id = shelf.create(THREE)
    for place in shelf.state(study_id).places:
        finish_with_images(shelf, place, *((60, 20) if place.point.variant == "labels 100" else (22, 20)))
    state = shelf.state(study_id)
    assert state.comparisons == 2
    better, open_one = (summary.difference for summary in state.summaries().values())
    assert (better.kind, open_one.kind) == ("better", "open")
    assert (better.comparisons, better.alpha, open_one.alpha) == (2, 0.025, 0.05)
    gap = state.against()["labels all"]  # both students are wrong on 20 images, the same ones or not
    assert (gap.kind, gap.mean, gap.comparisons) == ("open", pytest.approx(0), 1)
    assert gap.bounded
    rows = list(csv.DictReader(io.StringIO(shelf.csv(study_id))))
    assert {row["conclusion"] for row in rows[:3]} == {sentence(next(iter(state.summaries().values())))}
    assert rows[0]["conclusion"].endswith("the student is better than its twin.")
    assert float(rows[0]["difference_low"]) == pytest.approx(
        0.0455, abs=1e-3
    )  # Tango's of 60 : 20 of 500, not the stored one
    assert "mcnemar" not in rows[0]


def test_a_study_that_is_not_finished_draws_no_conclusion_and_counts_what_is_to_come(shelf):
    study_id = shelf.create(THREE)
    for place in shelf.state(study_id).places[:2]:
        finish_with_images(shelf, place, 60, 20)
    found = shelf.state(study_id).summaries()["labels 100"].difference
    assert (found.kind, found.why, found.comparisons) == ("refused", "2 of 3 seeds are finished", 2)


def test_a_run_whose_settings_a_user_changed_is_no_evidence_even_if_they_were_set_back(shelf):
    study_id = shelf.create(THREE)
    places = shelf.state(study_id).places[:3]
    for place in places:
        finish_with_images(shelf, place, 60, 20, knob=place.point.seed == 1)
    assert shelf.store.outcome(places[1].run_id).turned == ("weight of kd",)
    found = shelf.state(study_id).summaries()["labels 100"].difference
    assert (found.kind, found.why) == ("refused", "a user changed settings during the run (weight of kd)")


def test_an_outcome_knows_its_seed_its_images_and_whether_its_data_were_redrawn(shelf):
    recipe = studies.points(THREE)[1].recipe
    run_id = shelf.store.create(recipe.model_copy(update={"data": recipe.data.model_copy(update={"seed": "run"})}))
    outcome = shelf.store.outcome(run_id)
    assert (outcome.seed, outcome.redrawn, outcome.predictions) == (1, True, None)


def test_variants_are_compared_with_the_first_that_has_their_network(shelf, tiny):
    vit = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}}
    variants = {"cnn": {}, "cnn, faster": {"optimizer.lr": 0.1}, "vit": {"student": vit}}
    variants |= {"vit, faster": {"student": vit, "optimizer.lr": 0.1}, "another": {"student": {"model": "five_conv"}}}
    plain = {"name": "two", "recipe": tiny().model_dump(mode="json"), "variants": variants, "seeds": [0]}
    state = shelf.state(shelf.create(studies.from_plain(plain)))
    assert {label: state.base(label) for label in variants} == {
        "cnn": "cnn", "cnn, faster": "cnn", "vit": "vit", "vit, faster": "vit", "another": "cnn"
    }  # fmt: skip


def test_a_deleted_study_leaves_no_report_and_no_log_of_its_search(shelf):
    study_id = shelf.create(STUDY)
    shelf.report_folder(study_id).mkdir()
    (shelf.report_folder(study_id) / "report.html").write_text("")
    shelf.search_log(study_id).write_text("")
    shelf.delete(study_id)
    assert list(shelf.root.iterdir()) == []


@pytest.mark.parametrize(("written", "searching"), [("true", True), ("[no]", False), ("1", False)])
def test_a_study_searches_only_where_its_file_says_true(shelf, written, searching):
    study_id = shelf.create(STUDY)
    path = shelf.root / f"{study_id}.yaml"
    path.write_text(f"{path.read_text()}searching: {written}\n")
    assert shelf.state(study_id).searching is searching
