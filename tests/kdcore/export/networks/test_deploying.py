"""The table of `deploy`: figures against those worked out otherwise, and what is said where one is missing."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from kdcore import models
from kdcore.errors import UserError
from kdcore.export.networks import deploy_table, deploying, files, latency
from kdcore.export.networks.choosing import Chosen
from kdcore.recipe import ModelRecipe
from kdcore.results.comparison import Outcome, conclude_costs, costs_claim
from kdcore.store import RunState
from tests.small_disk import small_disk

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
TIMES = {count: {"runs": 20, "median": 1.0, "p95": 2.0} for count in ("1", "32")}


class OneRun:
    """A store with one finished run."""

    def __init__(self, folder, *, status="finished", recorded=False):
        results = {name: {"top1": 0.5} for name in ("student", "twin", "teacher")}
        self.root, self.run = folder, RunState("run", "run", status, results=results, recorded=recorded)

    def state(self, run_id):
        return self.run

    def ids(self):
        return [self.run.id]

    def states(self):
        return [self.run]

    def folder(self, run_id):
        return self.root


@pytest.fixture(scope="module")
def table(student, few_cues, tmp_path_factory):
    other = Chosen("twin", "twin", untrained(student.network.classes), few_cues)
    strange = Chosen("teacher", "teacher", untrained(("owl", "wolf", "hare")), None, "predicts other classes")
    there = {"run:run/student": student, "run:run/twin": other, "run:run/teacher": strange}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploying.choosing, "chosen", lambda reference, store: there[reference])
        patch.setattr(deploying, "_measured", measured)
        return deploying.measure("run", OneRun(tmp_path_factory.mktemp("run")), threads=1)


def untrained(classes):
    torch.manual_seed(0)
    return models.build(ModelRecipe(model="three_stage_cnn_16"), classes, 64).eval().requires_grad_(False)


def measured(*words):
    return {"bytes": 5 << 20} if words[0] == "--memory" else dict.fromkeys(words[2:], TIMES)


def test_each_network_is_a_row_measured_on_the_same_images(table, student, few_cues):
    rows = {row.name: row for row in table.rows}
    assert list(rows) == ["student", "student INT8", "twin", "teacher"]
    assert table.images == 60
    from kdcore.data import loading

    images = loading.load(few_cues, "test")
    with torch.no_grad():
        right = student.network(images.images.float() / 255).logits.argmax(1) == images.targets
    assert rows["student"].top1 == pytest.approx(right.double().mean().item())
    assert rows["student"].low < rows["student"].top1
    assert rows["student"].parameters == sum(each.numel() for each in student.network.parameters())
    assert rows["student"].macs == models.flops(student.network) // 2
    assert rows["student INT8"].file_bytes < rows["student"].file_bytes / 2.5
    assert "the twin is worse than the student" in rows["twin"].against
    assert rows["student"].against == ""


def test_what_was_not_measured_has_a_reason(table):
    teacher = table.rows[-1]
    assert (teacher.name, teacher.top1, teacher.against) == ("teacher", None, "")
    assert table.notes[0] == "teacher: no accuracy, as it predicts other classes than the data has."


def test_the_comparisons_of_a_table_are_corrected_for_their_number(table):
    twin = next(row for row in table.rows if row.name == "twin")
    assert "97.5 % interval" in twin.against  # the smaller p-value of two is tested at 5 % / 2
    assert table.notes[1] == (
        "2 comparisons, with wider intervals (Holm's correction), so that a false claim among all of them has a probability of about "
        "5 %. One seed: the intervals cover the choice of the test images."
    )


def test_a_network_is_a_row_once_under_a_name_that_reads_in_a_sentence(tmp_path, monkeypatch):
    pruned = ("student pruned to 48 % by attention", "run:other/student")
    monkeypatch.setattr(deploying, "_pruned", lambda run_id, store: [pruned])
    also = ["run:other/student", "run", "run:run/twin", "pruned/mine.safetensors", "cues-student"]
    found = deploying._others("run", {"twin"}, OneRun(tmp_path), also)
    assert found == [
        ("twin", "run:run/twin", True),
        (*pruned, True),
        ("mine", "pruned/mine.safetensors", True),
        ("cues-student", "cues-student", True),
    ]
    assert deploying._name("run:run/twin", OneRun(tmp_path)) == "twin of run"


def test_a_table_is_read_back_from_its_run(table, tmp_path):
    assert deploying.keep(table, OneRun(tmp_path))
    assert deploy_table.read(tmp_path)["rows"][0]["name"] == "student"
    assert not deploying.keep(table, OneRun(tmp_path / "x", recorded=True))


def test_a_table_that_a_full_disk_does_not_take_is_refused_in_words(table, tmp_path):
    with small_disk(tmp_path, 8192) as mounted:
        if not mounted:
            pytest.skip("no disk can be mounted here")
        with contextlib.suppress(OSError):
            (tmp_path / "fill").write_bytes(bytes(1 << 20))
        with pytest.raises(
            UserError, match=f"The disk is full: free some space in {tmp_path} and compare the networks again"
        ):
            deploying.keep(table, OneRun(tmp_path))


def test_a_run_that_has_not_finished_is_refused(tmp_path):
    with pytest.raises(UserError, match="Run run is running; the networks of a finished run are compared."):
        deploying.measure("run", OneRun(tmp_path, status="running"))


def test_latency_counts_runs_and_memory_grows_by_the_inputs(student, tmp_path, monkeypatch):
    files.write_onnx(student, tmp_path / "s.onnx")
    monkeypatch.setattr(latency, "LEAST", 4)
    ticks = iter(np.arange(0, 1000, 0.001))
    monkeypatch.setattr(latency.time, "perf_counter", lambda: float(next(ticks)))  # each look at the clock takes 1 ms
    found = latency.latency([str(tmp_path / "s.onnx")], threads=1, seconds=0.0)[str(tmp_path / "s.onnx")]
    assert found["1"] == {"runs": 4, "median": pytest.approx(1.0), "p95": pytest.approx(1.0)}
    assert found["32"]["runs"] == 4
    assert latency._largest() > 1 << 20


def outcome(seed, student, twin, targets):
    results = {name: {"top1": float((found == targets).mean()), "count": len(targets)} for name, found in (("student", student), ("twin", twin))}  # fmt: skip
    return Outcome(results, seed, {"targets": targets, "student": student, "twin": twin})


def outcomes(losses_of_student, losses_of_twin, images=400):
    """Three seeds in which INT8 makes so many right predictions of each network wrong."""
    before, after, targets = [], [], np.zeros(images, int)
    for seed in range(3):
        student, twin = np.zeros(images, int), np.zeros(images, int)
        twin[-seed - 1 :] = 1
        before.append(outcome(seed, student, twin, targets))
        student, twin = student.copy(), twin.copy()
        student[seed : seed + losses_of_student] = 1
        twin[100 + seed : 100 + seed + losses_of_twin] = 1
        after.append(outcome(seed, student, twin, targets))
    return before, after


def test_the_difference_of_two_costs_by_hand():
    found = conclude_costs(*outcomes(60, 20), "student", "twin")
    assert found.mean == pytest.approx((60 - 20) / 400)
    assert found.kind == "better"  # a larger cost
    assert costs_claim(found, "INT8", "the student", "its twin").endswith("INT8 costs the student more than its twin.")
    turned = conclude_costs(*outcomes(20, 60), "student", "twin")
    assert (turned.mean, turned.low) == pytest.approx((-found.mean, -found.high))
    alike = costs_claim(conclude_costs(*outcomes(30, 30), "student", "twin"), "INT8", "the student", "its twin")
    assert "no difference shown in what INT8 costs the student and its twin" in alike


def test_one_seed_claims_nothing():
    before, after = outcomes(60, 20)
    found = conclude_costs(before[:1], after[:1], "student", "twin")
    assert (found.kind, found.why) == ("refused", "1 of 3 seeds is finished")


def test_few_images_on_which_the_costs_differ_claim_nothing():
    found = conclude_costs(*outcomes(6, 3), "student", "twin")
    assert found.why == "the costs differ on 27 of 3 x 400 predictions (30 are needed)"


@pytest.mark.parametrize("which", [0, 1])
def test_runs_whose_settings_a_user_changed_claim_nothing(which):
    both = outcomes(60, 20)
    both[which][1] = replace(both[which][1], turned=("learning_rate",))
    found = conclude_costs(*both, "student", "twin")
    assert (found.kind, found.why) == ("refused", "a user changed settings during the run (learning_rate)")
