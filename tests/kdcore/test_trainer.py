import hashlib

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore import checkpoint
from kdcore.assemble import assemble
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
from kdcore.parts import Parts
from kdcore.trainer import train

CPU = torch.device("cpu")


def built(recipe, seed: int = 0) -> Parts:
    steps = assemble(recipe, seed=seed, device=CPU)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return ended.value


def digest(module: torch.nn.Module) -> str:
    tensors = [*module.parameters(), *module.buffers()]
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()


def test_tells_the_whole_story_in_order(tiny):
    parts = built(tiny())
    events = list(train(parts))
    assert {event.step for event in events if isinstance(event, StepTaken)} == set(range(11))
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


def test_logs_each_term_with_its_share_weight_and_temperature(tiny):
    events = list(train(built(tiny())))
    last = [event for event in events if isinstance(event, StepEnded)][-1]
    assert set(last.losses) == {"student", "twin"}
    losses = last.losses["student"]
    assert losses["total"] == pytest.approx(0.5 * losses["ce"] + losses["kd"] + 0.1 * losses["attention"], rel=1e-5)
    assert sum(last.shares.values()) == pytest.approx(1)
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
    assert taken[0].arrays["images"].shape == (3, 32, 32, 3)
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
    parts = built(tiny(optimizer={"name": "sgd", "lr": 1e30}))
    with pytest.raises(FloatingPointError, match="not finite at step .* lower learning rate"):
        list(train(parts))


def test_few_labels_are_the_same_for_student_and_twin(tiny):
    recipe = tiny(data={**tiny().data.model_dump(), "labels": 10})
    parts = built(recipe)
    started = next(event for event in train(parts) if isinstance(event, RunStarted))
    assert started.labelled_images == 10
    assert int((parts.train.targets >= 0).sum()) == 10
    assert int((parts.validation.targets < 0).sum()) == 0


def test_the_teacher_can_be_fine_tuned_first(tiny):
    teacher = {**tiny().teacher.model_dump(), "finetune": {"epochs": 1, "lr": 0.001}}
    steps, notes = assemble(tiny(teacher=teacher), seed=0, device=CPU), []
    try:
        while True:
            notes.append(next(steps))
    except StopIteration as ended:
        parts = ended.value
    told = [note.text for note in notes if isinstance(note, Noted)]
    assert any("Teacher after epoch 1 of 1" in text for text in told)
    assert not any(isinstance(note, RunFinished) for note in notes)  # the test split has no say in a teacher
    assert not any(p.requires_grad for p in parts.teacher.model.parameters())
