"""The parts of a run, and its state for checkpoints: built by `setup.build`, trained by `training.loop`."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from kdcore.data.batches import steps_per_epoch
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.methods.base import Method
from kdcore.models import Tapped
from kdcore.models.fitting import load_state
from kdcore.models.teacher import Teacher
from kdcore.recipe import Recipe
from kdcore.recipe.schedules import Schedule
from kdcore.runtime.distributed import ALONE, Process
from kdcore.teacher_cache import TeacherCache
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training import optim
from kdcore.training.averaging import Averaged
from kdcore.training.distiller import Distiller
from kdcore.weighting import TermWeights

LAST = "_of_last_step"  # after a network's name: its weights that are not averaged


@dataclass
class Learner:
    """A student or twin: its distiller, its optimizer, the learning rate that the schedule scales, and its averaged weights."""

    distiller: Distiller
    optimizer: Optimizer
    lr: float
    averaged: Averaged | None = None
    replica: DistributedDataParallel | None = None  # of the distiller, where several processes train it

    def __call__(self, *arguments: Any) -> tuple[Objective, Outputs]:
        """The distiller's forward, after which the gradients of several processes are averaged."""
        found: tuple[Objective, Outputs] = (self.replica or self.distiller)(*arguments)
        return found

    def gradients(self, *, complete: bool) -> AbstractContextManager[None]:
        """Around a forward and its backward. complete: whether the step's gradients are then averaged."""
        return self.replica.no_sync() if self.replica and not complete else nullcontext()

    @property
    def network(self) -> Tapped:
        """The network that is measured and saved: with averaged weights, where there are some."""
        return self.averaged.network if self.averaged else self.distiller.student


@dataclass
class Parts:
    """All that a run needs. The loop advances `step`; everything else is built before.

    teacher_figures: the teacher's metrics on the validation split (`metrics.classification` and more), as far as they are known.
    sample: some of the validation images, on which student and twin are measured between epochs.
    smallest_batch: fewest images of a batch that the networks can be trained on.
    process: this one of several that train the run together.
    calibration: network -> the temperature fitted to the validation images, once it is known.
    """

    recipe: Recipe
    seed: int
    device: torch.device
    student: Learner
    twin: Learner | None
    teacher: Teacher | None
    train: Split
    validation: Split | None
    test: Split
    pinned: Batch
    teacher_cache: TeacherCache | None = None
    teacher_figures: dict[str, float] | None = None
    sample: Split | None = None
    smallest_batch: int = 1
    calibration: dict[str, float] = field(default_factory=dict)
    knobs: dict[str, float] = field(default_factory=dict)
    step: int = 0
    resumed: bool = False
    process: Process = ALONE
    terms: TermWeights = field(init=False)
    schedule: Schedule = field(init=False)  # of the learning rate

    def __post_init__(self) -> None:
        self.terms = TermWeights(self.recipe)
        self.schedule = self.recipe.lr.schedule(self.recipe.epochs)
        for name in self.terms.adaptive.names:
            method = self.student.distiller.method(name)
            if method.has_views or type(method).see_data is not Method.see_data:
                raise UserError(
                    f"{name!r} cannot be measured on validation images: it stores outputs of the training images, or needs "
                    "further views of them. Let `adapt` watch another term, such as kd or ce."
                )

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.train), self.recipe.data.batch_size, self.smallest_batch)

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def epoch(self) -> float:
        return self.step / self.steps_per_epoch

    @property
    def progress(self) -> float:
        return self.step / self.steps

    def rate(self, progress: float) -> float:
        """The factor on each learner's own learning rate."""
        return self.schedule(progress) * self.knobs.get("learning_rate", 1.0)

    def values(self) -> dict[str, float]:
        """The value that each knob gives in the next step; of weights before they are balanced."""
        progress = self.progress
        weights = self.terms.requested(progress, self.knobs)
        temperatures = self.terms.temperatures(progress, self.knobs)
        hot = [name for name, method in self.student.distiller.terms.items() if method.uses_temperature]
        return {
            "learning_rate": self.rate(progress) * self.recipe.optimizer.lr,
            **{f"weight/{name}": weight for name, weight in weights.items()},
            **{f"temperature/{name}": temperatures[name] for name in hot},
        }

    @property
    def learners(self) -> dict[str, Learner]:
        return {"student": self.student} | ({"twin": self.twin} if self.twin else {})

    @property
    def networks(self) -> dict[str, Tapped]:
        """The networks of the run by name: teacher, student, twin."""
        learning = {name: learner.network for name, learner in self.learners.items()}
        return ({"teacher": self.teacher.model} if self.teacher else {}) | learning

    @property
    def models(self) -> dict[str, Tapped]:
        """The networks whose predictions are measured: those with the data's number of classes."""
        return {name: net for name, net in self.networks.items() if len(net.classes) == len(self.test.classes)}

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs. Data order, augmentation and dropout depend on seed and step alone."""
        state: dict[str, Any] = {
            "step": self.step, "seed": self.seed, "knobs": dict(self.knobs), "terms": self.terms.state(),
        }  # fmt: skip
        for name, learner in self.learners.items():
            state[name] = learner.network.state_dict()
            if learner.averaged:
                state[f"{name}{LAST}"] = learner.distiller.student.state_dict()
            state[f"{name}_methods"] = learner.distiller.methods.state_dict()
            state[f"{name}_optimizer"] = optim.state(learner.optimizer)
            if learner.distiller.learned_weights:
                state[f"{name}_learned_weights"] = learner.distiller.learned_weights.state_dict()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""
        self.step, self.knobs, self.resumed = state["step"], dict(state["knobs"]), True
        if "terms" in state:  # missing in checkpoints of earlier versions
            self.terms.load_state(state["terms"])
        for name, learner in self.learners.items():
            load_state(learner.distiller.student, state.get(f"{name}{LAST}", state[name]))
            if learner.averaged:
                learner.averaged.load_state(state[name])
            load_state(learner.distiller.methods, state[f"{name}_methods"])
            optim.load_state(learner.optimizer, state[f"{name}_optimizer"])
            if learner.distiller.learned_weights:
                learner.distiller.learned_weights.load_state_dict(state[f"{name}_learned_weights"])
