import hashlib
from types import SimpleNamespace

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore.errors import NotFinite
from kdcore.events import (
    CheckpointReady,
    Evaluated,
    LayersWeighted,
    Noted,
    ProbeTaken,
    RunFinished,
    RunStarted,
    StepEnded,
    StepTaken,
)
from kdcore.methods.kd import KD
from kdcore.results import metrics
from kdcore.runtime import mixed_precision
from kdcore.setup.build import build_parts
from kdcore.store.run_files import checkpoint
from kdcore.tensors.outputs import NO_LABEL
from kdcore.training import evaluation
from kdcore.training.loop import train
from kdcore.training.state import Parts
from kdcore.training.step import randomness

CPU = torch.device("cpu")


def built(recipe, seed: int = 0) -> Parts:
    steps = build_parts(recipe, seed=seed, device=CPU)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return ended.value


def digest(module: torch.nn.Module) -> str:
    tensors = [*module.parameters(), *module.buffers()]
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()


@pytest.mark.parametrize("accelerator", [True, False])
def test_a_step_seeds_as_torch_does_on_whatever_devices_there_are(accelerator, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: accelerator)
    seeded, manual_seed = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda number: seeded.append(number) or manual_seed(number))
    with randomness(SimpleNamespace(device=CPU, seed=7, step=5)):
        drawn = torch.rand(3)
    assert seeded == ([7_000_026] if accelerator else [])
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(7_000_026)))


def test_tells_the_whole_story_in_order(tiny):
    parts = built(tiny())
    events = list(train(parts))
    assert {event.step for event in events if isinstance(event, StepTaken)} == set(range(1, 11))
    events = [event for event in events if not isinstance(event, StepTaken)]
    kinds = [type(event) for event in events]
    assert kinds[0] is RunStarted
    assert kinds[-1] is RunFinished
    started, finished = events[0], events[-1]
    assert (started.steps, started.train_images, started.labelled_images) == (10, 80, 80)  # 100 less a fifth held out
    assert kinds.count(Evaluated) == kinds.count(LayersWeighted) == 2
    assert CheckpointReady in kinds
    assert set(finished.results) == {"teacher", "student", "twin", "difference", "agreement"}
    assert finished.results["student"]["count"] == 20
    assert set(finished.arrays) == {"targets", "teacher", "student", "twin"}
    assert (finished.arrays["student"] == finished.arrays["targets"]).sum() == finished.results["student"]["correct"]


def test_temperatures_are_fitted_to_the_validation_images_without_another_pass(tiny, monkeypatch):
    passes = []
    inner = evaluation.logits_in_steps
    monkeypatch.setattr(
        evaluation, "logits_in_steps", lambda *args, **more: passes.append(args[1].name) or inner(*args, **more)
    )
    parts = built(tiny())
    results = list(train(parts))[-1].results
    assert passes.count("test") == 3
    assert passes.count("validation") == 2 * parts.recipe.epochs  # the teacher's is from its check
    for name, model in parts.models.items():
        logits = evaluation.logits(model, parts.validation)
        fitted = metrics.calibrating_temperature(logits, parts.validation.targets)
        assert results[name]["temperature"] == pytest.approx(fitted, rel=1e-3)


def test_without_validation_images_there_is_no_temperature(tiny):
    data = {**tiny().data.model_dump(), "validation": 0}
    results = list(train(built(tiny(data=data))))[-1].results
    for name in ("teacher", "student", "twin"):
        assert not {"temperature", "ece_scaled"} & results[name].keys()
        assert {"ece", "balanced_accuracy"} <= results[name].keys()


def test_logs_each_term_with_its_share_weight_and_temperature(tiny):
    events = list(train(built(tiny())))
    last = [event for event in events if isinstance(event, StepEnded)][-1]
    assert set(last.losses) == {"student", "twin"}
    losses = last.losses["student"]
    assert losses["total"] == pytest.approx(0.5 * losses["ce"] + losses["kd"] + 0.1 * losses["attention"], rel=1e-5)
    assert last.shares == pytest.approx(
        {"ce": 0.5 * losses["ce"] / losses["total"], "kd": losses["kd"] / losses["total"],
         "attention": 0.1 * losses["attention"] / losses["total"]}, rel=1e-5,
    )  # fmt: skip
    assert last.weights == {"ce": 0.5, "kd": 1.0, "attention": 0.1}
    assert last.temperatures == {"kd": 2.0}
    assert last.images_per_second > 0


def test_the_twin_starts_alike_and_sees_no_teacher(tiny):
    with_teacher, without = built(tiny()), built(tiny(teacher=None, terms=[{"method": "ce"}]))
    assert digest(with_teacher.twin.distiller.student) == digest(with_teacher.student.distiller.student)
    list(train(with_teacher))
    list(train(without))
    # a twin is the very network that the same recipe without a teacher gives
    assert digest(with_teacher.twin.distiller.student) == digest(without.student.distiller.student)
    assert digest(with_teacher.student.distiller.student) != digest(with_teacher.twin.distiller.student)


def test_the_teacher_is_the_same_to_the_bit_afterwards(tiny):
    parts = built(tiny())
    parts.teacher.train()  # as a careless owner would
    before = digest(parts.teacher.model)
    list(train(parts))
    assert digest(parts.teacher.model) == before
    assert not any(p.requires_grad for p in parts.teacher.model.parameters())


def test_one_student_forward_a_step(tiny):
    parts = built(tiny(probes={"images": 2}))
    norms = [m for m in parts.student.distiller.student.modules() if isinstance(m, _BatchNorm)]
    list(train(parts))
    assert {int(norm.num_batches_tracked) for norm in norms} == {parts.steps}


def test_probes_change_nothing(tiny):
    with_probes, without = built(tiny(probes={"images": 3, "per_epoch": 3})), built(tiny(probes={"images": 0}))
    taken = [event for event in train(with_probes) if isinstance(event, ProbeTaken)]
    list(train(without))
    assert digest(with_probes.student.distiller.student) == digest(without.student.distiller.student)
    assert taken[0].arrays["images"].shape == (3, 16, 16, 3)
    assert {"teacher", "student", "twin"} <= set(taken[-1].arrays)


def test_probes_keep_to_their_share_of_the_time(tiny):
    parts = built(tiny(probes={"images": 2, "per_epoch": 100, "budget": 0.0}))
    taken = [event.step for event in train(parts) if isinstance(event, ProbeTaken)]
    assert taken == [0, parts.steps]  # the first and the last are always there


@pytest.mark.parametrize("stop_at", [1, 5, 7])
def test_resumes_to_the_bit(tiny, tmp_path, stop_at):
    recipe = tiny(
        optimizer={"name": "adamw", "lr": 0.003},
        student={"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2, "drop_path_rate": 0.3}},
    )
    whole, first = built(recipe), built(recipe)
    told = {e.step: e.losses for e in train(whole) if isinstance(e, StepEnded)}
    for event in train(first):
        if isinstance(event, StepTaken) and event.step == stop_at:
            break
    checkpoint.save(first.state(), tmp_path / "state.safetensors")
    torch.manual_seed(123)  # whatever happened in between
    second = built(recipe)
    second.load_state(checkpoint.load(tmp_path / "state.safetensors"))
    again = {e.step: e.losses for e in train(second) if isinstance(e, StepEnded)}
    assert min(again) > stop_at
    assert all(again[step] == told[step] for step in again)
    for name, learner in whole.learners.items():
        assert digest(second.learners[name].distiller) == digest(learner.distiller)


def test_a_stop_while_it_is_measured_loses_no_measurement(tiny):
    parts = built(tiny())
    for event in train(parts):
        if isinstance(event, StepTaken) and event.step == parts.steps_per_epoch:
            break  # the epoch's last step is done, its validation has only begun
    again = built(tiny())
    again.load_state(parts.state())
    measured = [event.epoch for event in train(again) if isinstance(event, Evaluated)]
    assert measured == [1, 2]


def test_a_checkpoint_holds_all_that_learns_and_nothing_of_the_teacher(tiny):
    recipe = tiny(terms=[{"method": "ce"}, {"method": "fitnets", "options": {"pairs": [[2, 1]]}}])
    parts = built(recipe)
    state = parts.state()
    assert any("regressors" in name for name in state["student_methods"])
    assert not any("regressors" in name for name in state["student"])
    optimised = {id(p) for group in parts.student.optimizer.param_groups for p in group["params"]}
    assert optimised == {id(p) for p in parts.student.distiller.parameters()}
    assert "teacher" not in state


def test_a_knob_changes_the_weight_from_the_next_step_on(tiny):
    parts, seen = built(tiny()), []
    for event in train(parts):
        if isinstance(event, StepEnded):
            seen.append(event.weights["kd"])
        if isinstance(event, StepTaken) and event.step == 2:  # before the third step
            parts.knobs["weight/kd"] = 0.25
    assert seen == [1, 1] + [0.25] * 8


def test_a_loss_that_explodes_says_what_to_try(tiny):
    parts = built(tiny(terms=[{"method": "ce", "weight": 1e39}]))  # more than float32 holds
    with pytest.raises(NotFinite, match="not finite at step .* lower learning rate"):
        list(train(parts))


@pytest.mark.parametrize(
    "precision, quick, told", [("fast", False, True), ("fast", True, False), ("exact", False, False)]
)
def test_fast_arithmetic_that_is_not_to_be_had_is_told(tiny, monkeypatch, precision: str, quick: bool, told: bool):
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda device: quick)
    said = [each.text for each in build_parts(tiny(precision=precision), seed=0, device=CPU) if isinstance(each, Noted)]
    assert ("bfloat16 is not faster on cpu, so precision: fast computes in float32, as exact does." in said) == told


def test_few_labels_are_the_same_for_student_and_twin(tiny):
    recipe = tiny(data={**tiny().data.model_dump(), "labels": 10})
    parts = built(recipe)
    started = next(event for event in train(parts) if isinstance(event, RunStarted))
    assert started.labelled_images == 10
    assert int((parts.train.targets >= 0).sum()) == 10
    assert int((parts.validation.targets < 0).sum()) == 0


def test_the_teacher_can_be_fine_tuned_first(tiny):
    teacher = {**tiny().teacher.model_dump(), "finetune": {"epochs": 1, "lr": 0.001}}
    steps, notes = build_parts(tiny(teacher=teacher), seed=0, device=CPU), []
    try:
        while True:
            notes.append(next(steps))
    except StopIteration as ended:
        parts = ended.value
    told = [note.text for note in notes if isinstance(note, Noted)]
    assert any("Teacher after epoch 1 of 1" in text for text in told)
    assert not any(isinstance(note, RunFinished) for note in notes)  # the test split has no say in a teacher
    assert not any(p.requires_grad for p in parts.teacher.model.parameters())


def test_methods_see_the_training_targets_before_the_optimizer_is_made(tiny, monkeypatch):
    seen = []

    def see_data(method, targets):
        seen.append(targets.clone())
        method.learned = torch.nn.Parameter(torch.zeros(len(targets)))

    monkeypatch.setattr(KD, "see_data", see_data)
    parts = built(tiny(data={**tiny().data.model_dump(), "labels": 30}))
    (targets,) = seen
    assert torch.equal(targets, parts.train.targets)
    assert int((targets != NO_LABEL).sum()) == 30
    optimised = {id(p) for group in parts.student.optimizer.param_groups for p in group["params"]}
    assert id(parts.student.distiller.methods["kd"].learned) in optimised


def test_what_a_method_warns_of_is_told_under_its_term_s_name(tiny, monkeypatch):
    monkeypatch.setattr(KD, "warnings", lambda method: ("two classes say little.",))
    terms = [{"method": "ce"}, {"method": "kd", "name": "dark"}]
    told = list(build_parts(tiny(terms=terms), seed=0, device=CPU))
    assert Noted("dark: two classes say little.", "warning") in told


def test_a_method_prepares_on_the_teacher_before_the_first_step_and_can_be_stopped_there(tiny, monkeypatch):
    given = []

    def prepare(method, teacher, batches):
        for number in range(8):  # more than an epoch has
            given.append((teacher, next(batches)))
            yield f"batch {number}"

    untouched = built(tiny())
    list(train(untouched))
    monkeypatch.setattr(KD, "prepare", prepare)
    parts = built(tiny())
    story = list(train(parts))
    notes = [place for place, event in enumerate(story) if isinstance(event, Noted)]
    assert [story[place].text for place in notes] == [f"kd: batch {number}" for number in range(8)]
    assert all(isinstance(story[place + 1], StepTaken) and story[place + 1].step == 0 for place in notes)
    assert notes[-1] < min(place for place, event in enumerate(story) if isinstance(event, (ProbeTaken, StepEnded)))
    assert all(teacher is parts.teacher for teacher, _ in given)
    assert {tuple(batch.images.shape[1:]) for _, batch in given} == {(3, 16, 16)}
    # what was prepared on takes nothing from the run: its batches and its randomness are the same
    assert digest(parts.student.distiller.student) == digest(untouched.student.distiller.student)


def test_nothing_is_prepared_again_when_a_run_is_resumed(tiny, monkeypatch):
    times = []

    def prepare(method, teacher, batches):
        times.append(1)
        yield "once"

    monkeypatch.setattr(KD, "prepare", prepare)
    first = built(tiny())
    for event in train(first):
        if isinstance(event, StepTaken) and event.step == 3:
            break
    second = built(tiny())
    second.load_state(first.state())
    assert not [event for event in train(second) if isinstance(event, Noted) and event.text == "kd: once"]
    assert times == [1]


SMALL_VIT = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}}
LARGER_METHODS = {
    "crd": {"method": "crd", "options": {"negatives": 64}},
    "crd-in-batch": {"method": "crd", "options": {"variant": "in_batch"}},
    "sskd": {"method": "sskd", "temperature": 4.0, "options": {"head_steps": 5}},
    "cskd": {"method": "cskd"},
    "cskd-soft": {"method": "cskd", "temperature": 1.0, "options": {"variant": "soft"}},
}


@pytest.mark.parametrize("name", LARGER_METHODS)
def test_a_method_with_a_memory_or_a_head_trains_and_resumes_to_the_bit(tiny, tmp_path, name):
    towards_vit = name.startswith("cskd")
    cnn = {"model": "three_stage_cnn_16"}
    recipe = tiny(
        data={**tiny().data.model_dump(), "labels": 40},
        teacher={**(cnn if towards_vit else SMALL_VIT), "accept": True},
        student=SMALL_VIT if towards_vit else cnn,
        twin=False,
        terms=[{"method": "ce"}, {**LARGER_METHODS[name], "name": "larger"}],
    )
    whole, first = built(recipe), built(recipe)
    start = {key: value.clone() for key, value in whole.state()["student_methods"].items()}
    before = digest(whole.teacher.model)
    told = {e.step: e.losses for e in train(whole) if isinstance(e, StepEnded)}
    assert len(told) == 10
    assert digest(whole.teacher.model) == before
    still = [key for key, value in whole.state()["student_methods"].items() if torch.equal(value, start[key])]
    assert not still  # all that the method owns has learned or was prepared
    norms = [m for m in whole.student.distiller.student.modules() if isinstance(m, _BatchNorm)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {whole.steps}
    assert not any("methods" in key or "head_teacher" in key for key in whole.state()["student"])

    for event in train(first):
        if isinstance(event, StepTaken) and event.step == 7:  # in the second epoch
            break
    checkpoint.save(first.state(), tmp_path / "state.safetensors")
    torch.manual_seed(123)
    second = built(recipe)
    second.load_state(checkpoint.load(tmp_path / "state.safetensors"))
    again = {e.step: e.losses for e in train(second) if isinstance(e, StepEnded)}
    assert min(again) == 8
    assert all(again[step] == told[step] for step in again)
    assert digest(second.student.distiller) == digest(whole.student.distiller)


def test_the_twin_of_a_student_with_further_views_sees_the_images_alone(tiny):
    terms = [{"method": "ce"}, {**LARGER_METHODS["sskd"], "name": "sskd"}]
    with_views, without = built(tiny(terms=terms)), built(tiny(teacher=None, terms=[{"method": "ce"}]))
    list(train(with_views))
    list(train(without))
    assert digest(with_views.twin.distiller.student) == digest(without.student.distiller.student)
