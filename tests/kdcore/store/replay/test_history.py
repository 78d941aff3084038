"""What the events of a run add up to, one after another."""

import pytest

from kdcore.store.replay.history import History


def taken(*events: dict) -> History:
    history = History("20260101-000000-quick-00000000", 0.0, recorded=False)
    for time, event in enumerate(events):
        history.take({"time": float(time), **event})
    return history


def robust(step: int) -> dict:
    return {
        "event": "RobustnessMeasured", "step": step, "epoch": 1.0, "images": 10, "only": {},
        "accuracy": {"fog@3": {"student": step / 10}}, "shape_bias": {"cue_conflict@1": {"student": step / 100}},
    }  # fmt: skip


def evaluated(split: str, top1: float) -> dict:
    metrics = {"student": {"top1": top1, "nll": 1.0, "ece": 0.1, "count": 100.0}}
    return {"event": "Evaluated", "step": 5, "epoch": 1.0, "split": split, "metrics": metrics}


def test_of_perturbed_images_the_state_has_the_newest_accuracies_and_the_series_all():
    history = taken(robust(1), robust(2))
    (newest,) = history.state("").robustness
    assert (newest["step"], newest["accuracy"]) == (2, {"fog@3": {"student": 0.2}})
    series = history.series.view()
    assert series["perturbed/fog@3/student"][1].tolist() == [0.1, 0.2]
    assert series["shape_bias/cue_conflict@1/student"][1].tolist() == [0.01, 0.02]


def test_a_pause_tells_the_step_after_which_it_begins():
    state = taken({"event": "RunPaused", "step": 7}).state("")
    assert (state.status, state.step) == ("paused", 7)


def test_other_splits_than_validation_are_in_no_curve():
    history = taken(evaluated("validation", 0.5), evaluated("test", 0.9))
    assert history.series.view()["top1/student"][1].tolist() == [0.5]
    assert history.state("").latest["student"]["top1"] == 0.5


def test_of_a_sample_the_curves_have_accuracy_and_loss_alone():
    figures = {"student": {"top1": 0.5, "nll": 1.0, "ece": 0.1}}
    series = taken(
        {"event": "SampleMeasured", "step": 1, "epoch": 0.1, "images": 8, "seconds": 1.0, "figures": figures}
    ).series.view()
    assert list(series) == ["sample_top1/student", "sample_nll/student"]


@pytest.mark.parametrize(("resumed", "kept"), [(True, [1.0]), (False, [])])
def test_a_run_that_starts_again_forgets_what_came_after_its_checkpoint(resumed, kept):
    shared = {
        "steps": 9,
        "epochs": 3,
        "device": "cpu",
        "train_images": 8,
        "labelled_images": 8,
        "parameters": {},
        "validation_images": 8,
        "test_images": 8,
        "teacher": {},
    }
    start = {"event": "RunStarted", "step": 1, "classes": ["a", "b"], "resumed": resumed, **shared}
    adapted = [
        {"event": "WeightAdapted", "step": s, "epoch": 1.0, "term": "kd", "factor": 1 / s, "reason": ""} for s in (1, 2)
    ]
    history = taken(*adapted, start)
    assert [item["factor"] for item in history.state("").adaptations] == kept
    assert [values.tolist() for name, (_, values) in history.series.view().items() if "adapted" in name] == [
        kept
    ] * bool(kept)


def test_a_finished_run_is_at_the_end_of_its_last_epoch():
    history = History("20260101-000000-quick-00000000", 0.0, recorded=False)
    history.facts["epochs"] = 3
    history.take({"time": 1.0, "event": "RunFinished", "step": 9, "results": {}, "file": "", "seconds": 1.0})
    state = history.state("")
    assert (state.status, state.step, state.epoch) == ("finished", 9, 3.0)
