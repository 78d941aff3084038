"""What goes wrong unseen when a method is trained, proved over the folder: a short run of real, tiny networks, both ways.

A further method is found by itself; a refused direction is left out, and one direction must work.
"""

import copy
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore import methods, models
from kdcore import recipe as recipes
from kdcore.events import StepTaken
from kdcore.models.teacher import Teacher
from kdcore.recipe import ModelRecipe, Term
from kdcore.setup.build import build_parts
from kdcore.store.run_files import checkpoint
from kdcore.tensors.outputs import Batch, Shapes
from kdcore.training import optim
from kdcore.training.distiller import Distiller
from kdcore.training.loop import train
from kdcore.training.state import Parts

CPU = torch.device("cpu")
VIT = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 4, "heads": 2}}  # its stem has BatchNorm
CNN = {"model": "three_stage_cnn_16", "options": {"widths": [8, 12, 16]}}
ACROSS = {"vit-to-cnn": (VIT, CNN), "cnn-to-vit": (CNN, VIT)}
ALIKE = {"cnn-to-cnn": (CNN, CNN), "vit-to-vit": (VIT, VIT)}  # for methods that refuse both of the others
DIRECTIONS = ACROSS | ALIKE
QUICK: dict[str, dict[str, Any]] = {"sskd": {"head_steps": 3}}  # what would take long and proves no more
CLASSES = tuple("abcde")


def made(plain: dict[str, Any]) -> models.Tapped:
    torch.manual_seed(0)
    return models.build(ModelRecipe(**plain), CLASSES, 32)


@functools.cache
def shapes(direction: str) -> tuple[Shapes, Shapes]:
    """Of teacher and student."""
    teacher, student = (made(plain).shapes() for plain in DIRECTIONS[direction])
    return teacher, student


def fits(name: str, direction: str) -> bool:
    teacher, student = shapes(direction)
    try:
        methods.build(Term(method=name), student, teacher)
    except ValueError:
        return False
    return True


@functools.cache
def allowed() -> list[tuple[str, str]]:
    """(method, direction) wherever the method does not refuse."""
    pairs = []
    for name in methods.names():
        across = [(name, direction) for direction in ACROSS if fits(name, direction)]
        pairs += across or [(name, direction) for direction in ALIKE if fits(name, direction)]
    return sorted(pairs)


each_way = pytest.mark.parametrize("name, direction", allowed())


def recipe(name: str, direction: str) -> recipes.Recipe:
    teacher, student = DIRECTIONS[direction]
    return recipes.from_plain(
        {
            "data": {
                "name": "cues", "image_size": 32, "train_images": 36, "test_images": 10, "validation": 0,
                "batch_size": 12, "augment": [],
            },
            "teacher": {**teacher, "accept": True},
            "student": student,
            "twin": True,
            "terms": [{"method": "ce", "name": "labels"}, {"method": name, "options": QUICK.get(name, {})}],
            "epochs": 1,
            "probes": {"images": 0},
        }
    )  # fmt: skip


def built(name: str, direction: str) -> Parts:
    steps = build_parts(recipe(name, direction), seed=0, device=CPU)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return ended.value


def digest(module: nn.Module) -> str:
    tensors = [*module.parameters(), *module.buffers()]
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()


@dataclass(frozen=True)
class Run:
    """A run of one epoch, and how things stood before it."""

    parts: Parts
    teacher: str
    student: str
    twin: str
    methods: nn.ModuleDict
    prepared: nn.ModuleDict  # the methods after what they learned of the teacher alone, before the first step


@functools.cache
def a_run(name: str, direction: str) -> Run:
    parts = built(name, direction)
    assert parts.teacher is not None
    assert parts.twin is not None
    parts.teacher.train()  # as a careless owner would
    distiller = parts.student.distiller
    digests = digest(parts.teacher.model), digest(distiller.student), digest(parts.twin.distiller.student)
    before = prepared = copy.deepcopy(distiller.methods)
    for event in train(parts):
        if parts.step == 0 and isinstance(event, StepTaken):
            prepared = copy.deepcopy(distiller.methods)
    return Run(parts, *digests, before, prepared)


def test_every_method_works_in_one_direction_at_least():
    assert {name for name, _ in allowed()} == set(methods.names())


@each_way
def test_the_teacher_is_the_same_to_the_bit_after_an_epoch(name, direction):
    run = a_run(name, direction)
    assert digest(run.parts.teacher.model) == run.teacher
    assert not any(module.training for module in run.parts.teacher.modules())
    assert not any(p.requires_grad or p.grad is not None for p in run.parts.teacher.parameters())


@each_way
def test_the_student_is_asked_once_a_step_and_learns(name, direction):
    run = a_run(name, direction)
    student = run.parts.student.distiller.student
    norms = [m for m in student.modules() if isinstance(m, _BatchNorm)]
    assert norms
    assert {int(norm.num_batches_tracked) for norm in norms} == {run.parts.steps} == {3}
    assert digest(student) != run.student == run.twin


@each_way
def test_what_a_method_owns_is_in_the_optimizer_and_learns(name, direction):
    run = a_run(name, direction)
    optimised = {id(p) for group in run.parts.student.optimizer.param_groups for p in group["params"]}
    before, prepared = dict(run.methods.named_parameters()), dict(run.prepared.named_parameters())
    for key, parameter in run.parts.student.distiller.methods.named_parameters():
        assert (id(parameter) in optimised) == parameter.requires_grad
        if not parameter.requires_grad:  # learned of the teacher alone, before the first step
            assert not torch.equal(prepared[key], before[key]), key
            assert torch.equal(prepared[key], parameter), key
        elif parameter.ndim > 1:  # a bias just before a BatchNorm is the one thing that cannot matter
            assert not torch.equal(parameter, before[key]), key


@each_way
def test_what_a_method_owns_is_in_the_checkpoint_and_comes_back(name, direction, tmp_path):
    run = a_run(name, direction)
    checkpoint.save(run.parts.state(), tmp_path / "state.safetensors")
    again = copy.deepcopy(run.methods)
    again.load_state_dict(checkpoint.load(tmp_path / "state.safetensors")["student_methods"])
    restored, trained = again.state_dict(), run.parts.student.distiller.methods.state_dict()
    assert set(restored) == set(trained)
    assert all(torch.equal(restored[key], value) for key, value in trained.items())


@each_way
def test_what_a_method_owns_is_in_no_export(name, direction, tmp_path):
    path = tmp_path / "student.safetensors"
    models.save(a_run(name, direction).parts.student.distiller.student, path)
    assert names_in(path) == set(made(DIRECTIONS[direction][1]).net.state_dict())


@each_way
def test_the_twin_has_none_of_it(name, direction):
    twin = a_run(name, direction).parts.twin
    assert [type(method) for method in twin.distiller.methods.values()] == [methods.get("ce")]
    assert not list(twin.distiller.methods.parameters())


def names_in(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as file:
        return set(file.keys())


@each_way
def test_a_last_batch_of_one_image_does_not_end_the_run(name, direction):
    """48 001 images in batches of 64 leave one over; a BatchNorm on vectors would refuse it."""
    teacher, student = (made(plain) for plain in DIRECTIONS[direction])
    method = methods.build(Term(method=name, options=QUICK.get(name, {})), student.shapes(), teacher.shapes())
    method.see_data(torch.arange(5).repeat(4))
    distiller = Distiller(student, {name: method}).train()
    learner = optim.build(distiller, recipes.OptimizerRecipe())
    batch = Batch(torch.rand(1, 3, 32, 32), torch.tensor([1]), torch.tensor([1]))
    batch = distiller.with_views(batch, 0.5)
    objective, _ = distiller(batch, Teacher(teacher)(batch.seen, distiller.needs), {name: 1.0}, {name: 2.0})
    objective.total.backward()
    learner.step()
    assert objective.total.isfinite()
    assert all(p.isfinite().all() for p in distiller.parameters())
