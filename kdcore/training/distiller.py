"""A student and the methods that train it, in one module with all parameters that learn.

The teacher is not part of it, so that no optimizer, checkpoint or export includes its parameters.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Method
from kdcore.models import Tapped
from kdcore.models.tapped import Ask
from kdcore.runtime import distributed, mixed_precision
from kdcore.runtime.batch_norm import SynchronisedBatchNorm
from kdcore.runtime.mixed_precision import Precision
from kdcore.tensors.outputs import Batch, Objective, Outputs
from kdcore.training.gathering import of_all
from kdcore.weighting import UncertaintyWeights


class Distiller(nn.Module):
    """A student and the terms of its loss. Called with a batch and the teacher's outputs for it."""

    def __init__(
        self,
        student: Tapped,
        methods: dict[str, Method],
        *,
        precision: Precision = "exact",
        learned_weights: UncertaintyWeights | None = None,
    ) -> None:
        super().__init__()
        self.student = student
        self.methods = nn.ModuleDict({_key(label): method for label, method in methods.items()})
        self._keys = {label: _key(label) for label in methods}
        self.learned_weights = learned_weights
        if len(several := [name for name, method in methods.items() if method.has_views]) > 1:
            raise UserError(
                f"The terms {' and '.join(several)} both need further views of every batch; keep one of them."
            )
        self.precision = precision
        self.compiled: Ask | None = None  # replaces the student's forward in training
        self.share = 1.0  # of the last batch's images that were this process's

    def method(self, name: str) -> Method:
        """The method of a term."""
        return self.terms[name]

    @property
    def terms(self) -> dict[str, Method]:
        """The terms' labels and their methods."""
        return {label: cast(Method, self.methods[key]) for label, key in self._keys.items()}

    @property
    def needs(self) -> frozenset[str]:
        """The outputs that the terms read, of student and teacher."""
        return frozenset({"logits"}).union(*(method.needs for method in self.terms.values()))

    @property
    def bfloat16_outputs(self) -> frozenset[str]:
        """The outputs that no term needs in float32."""
        wide = (method.needs - method.accepts_bfloat16 for method in self.terms.values())
        return self.needs.difference({"logits"}, *wide)

    @property
    def uses_teacher(self) -> bool:
        return any(method.uses_teacher for method in self.terms.values())

    @property
    def views_of(self) -> Method | None:
        """The method that needs further views of a batch, if there is one."""
        return next((method for method in self.terms.values() if method.has_views), None)

    def with_views(self, batch: Batch, progress: float) -> Batch:
        """The batch with the further views that a method needs, and the run's progress in [0, 1]."""
        views = self.views_of.views(batch.images) if self.views_of else None
        whole = dataclasses.replace(batch.whole, progress=progress) if batch.whole else None
        return dataclasses.replace(batch, views=views, progress=progress, whole=whole)

    def forward(
        self, batch: Batch, teacher: Outputs | None, weights: dict[str, float], temperatures: dict[str, float]
    ) -> tuple[Objective, Outputs]:
        """One forward of the student, one loss a term, and their weighted sum. Losses are float32.

        Of a batch that several processes share, the losses are those of all its images, in every process. So are the outputs.

        Args:
            teacher: its outputs for `batch.seen`.
        """
        images = batch.seen if self.views_of else batch.images
        self.share = batch.own_share
        with _of_one_of_several(batch), mixed_precision.autocast(images.device, self.precision):
            outputs = (self.compiled or self.student)(images, self.needs)
        outputs = in_float32(outputs, but=self.bfloat16_outputs)
        # methods without a teacher do not read it
        teacher_outputs = cast(Outputs, in_float32(teacher, but=self.bfloat16_outputs) if teacher else None)
        if self.views_of:
            size = len(batch.images)
            outputs, teacher_outputs = outputs.split(size), teacher_outputs.split(size)
        losses, outputs = self._losses(batch, outputs, teacher_outputs, temperatures)
        if self.learned_weights:
            total, counted = self.learned_weights(losses, weights)
        else:
            total = sum((weights[name] * loss for name, loss in losses.items()), outputs.logits.new_zeros(()))
            counted = weights
        layers = {name: shares for name, method in self.terms.items() if (shares := method.layer_weights()) is not None}
        return Objective(total, losses, counted, layers), outputs

    def _losses(
        self, batch: Batch, outputs: Outputs, teacher: Outputs, temperatures: dict[str, float]
    ) -> tuple[dict[str, Tensor], Outputs]:
        """Each term's loss of the whole batch, and the student's outputs for it."""
        if batch.whole is None:
            found = {name: method(outputs, teacher, batch, temperatures[name]) for name, method in self.terms.items()}
            return found, outputs
        images = len(batch.whole.targets)
        whole, whole_teacher = of_all(outputs, images), of_all(teacher, images) if teacher else teacher
        losses = {}
        for name, method in self.terms.items():
            if method.is_mean_over_images():
                with SynchronisedBatchNorm():
                    own = method(outputs, teacher, batch, temperatures[name])
                losses[name] = distributed.mean(own, self.share)
            else:
                losses[name] = method(whole, whole_teacher, batch.whole, temperatures[name])
        return losses, whole


def _key(label: str) -> str:
    """A term's label as the name of a module, in which torch allows no dot and no attribute of its own."""
    if "." not in label and not hasattr(nn.ModuleDict(), label):
        return label
    return "term " + label.replace("%", "%25").replace(".", "%2E")


@contextlib.contextmanager
def _of_one_of_several(batch: Batch) -> Iterator[None]:
    """Around a student's forward: where the batch is one process's part, BatchNorm is that of all processes' images."""
    if batch.whole is None:
        yield
        return
    with distributed.own_randomness(batch.images.device), SynchronisedBatchNorm():
        yield


def in_float32(outputs: Outputs, *, but: frozenset[str] = frozenset()) -> Outputs:
    """The outputs in float32, except those named in `but`. Tensors that are float32 already are not copied."""

    def wide(value: Tensor | tuple[Tensor, ...] | None) -> Any:
        if isinstance(value, tuple):
            return tuple(each.float() for each in value)
        return None if value is None else value.float()

    values = {f.name: getattr(outputs, f.name) for f in dataclasses.fields(outputs)}
    return Outputs(**{name: value if name in but else wide(value) for name, value in values.items()})
