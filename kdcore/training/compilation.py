"""torch.compile on trial: a run times steps with and without it and uses the faster form.

Compiling takes from seconds to minutes and shortens every step, so whether it pays depends on the machine, the networks and
the length of the run. The run reports what it measured and decided.
"""

import statistics
import time
from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from kdcore.events import Noted
from kdcore.models import Tapped
from kdcore.models.tapped import Ask
from kdcore.tensors.outputs import Outputs
from kdcore.training.state import Parts

WARM_UP, TIMED = 3, 10  # steps; the first ones are slower
SETTLING = 3  # steps until a compiled network has its final speed: CUDA graphs are recorded in the third
AT_LEAST = 30.0  # seconds left in the run; compiling rarely takes less than half of them
SAVES = 0.98  # of a step's former time: above, compiling does not pay
GRAPHS_UP_TO = 64  # pixels a side: on a GPU, launching kernels takes most of a step of small images
Trial = Generator[str, float, str]


class Compiled:
    """A network's forward, compiled for full batches.

    Smaller batches, such as an epoch's last, run uncompiled; so do all batches while `resting`, or once compiling failed.
    """

    def __init__(self, model: Tapped, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self.resting = False
        self.trouble = ""
        self._shape: torch.Size | None = None
        small = model.image_size <= GRAPHS_UP_TO and model.mean.is_cuda
        self._forward: Ask = torch.compile(model.forward, dynamic=False, mode="reduce-overhead" if small else None)

    def __call__(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        if self._shape is None and len(images) >= self.batch_size:
            self._shape = images.shape
        if images.shape != self._shape or self.resting or self.trouble:
            return self._uncompiled(images, needs)
        try:
            return self._forward(images, needs)
        except Exception as error:  # compilers raise anything; an error of the network is raised again below
            outputs = self._uncompiled(images, needs)
            self.trouble = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'no reason given')}"
            return outputs

    def _uncompiled(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        outputs: Outputs = self.model(images, needs)
        return outputs


class CompilationTrial:
    """Decides during a run whether its networks run compiled. The loop calls it before and after each step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._compiled: dict[str, Compiled] = {}  # by the network's name
        self._began = 0.0
        self._decided = ""
        self._trial = self._tried() if parts.recipe.compile and parts.process.alone else None
        if self._trial:
            next(self._trial)

    def before_step(self, *, measured: bool) -> None:
        """
        Args:
            measured: whether each term's gradient is measured in this step; a compiled graph allows one backward pass only.
        """
        if self._compiled:
            self._compiled["student"].resting = measured
            torch.compiler.cudagraph_mark_step_begin()  # the last step's outputs may be overwritten
        self._began = time.perf_counter()

    def after_step(self) -> None:
        if self._trial is None:
            return
        if self._parts.device.type == "cuda":
            torch.cuda.synchronize(self._parts.device)
        try:
            self._decided = self._trial.send(time.perf_counter() - self._began)
        except StopIteration as ended:
            self._trial, self._decided = None, ended.value

    def notes(self) -> Iterator[Noted]:
        """What was decided in the last step, or what the next one will do."""
        if self._decided:
            yield Noted(self._decided)
            self._decided = ""

    def _tried(self) -> Trial:
        """Receives the seconds of each step and yields notes; returns the decision as a note."""
        for _ in range(WARM_UP):
            yield ""
        before = yield from _median()
        left = (self._parts.steps - self._parts.step) * before
        if left < AT_LEAST:
            return (
                f"The networks are not compiled: the run ends in about {left:.0f} seconds, and compiling takes tens of "
                "seconds."
            )
        self._use(self._all_compiled())
        took = yield "Compiling the networks: the next step may take a minute or two."
        for _ in range(SETTLING - 1):
            took += yield ""
        took -= SETTLING * before
        if trouble := next((each.trouble for each in self._compiled.values() if each.trouble), ""):
            self._use({})
            return f"The networks run uncompiled: compiling failed. {trouble}"
        after = yield from _median()
        ratio = f"a step takes {after / before:.2f} of its former time"
        if after > SAVES * before:
            self._use({})
            return f"The networks run uncompiled: compiled, {ratio}. Compiling took {took:.0f} seconds."
        steps, left = took / (before - after), self._parts.steps - self._parts.step
        pays = f"saved again after {steps:,.0f} steps" if steps <= left else "more than it saves in the rest of the run"
        return f"The networks run compiled: {ratio}. Compiling took {took:.0f} seconds, {pays}."

    def _all_compiled(self) -> dict[str, Compiled]:
        torch.compiler.reset()  # a process caches only so many compiled graphs; those of earlier runs are dropped
        networks = {name: learner.distiller.student for name, learner in self._parts.learners.items()}
        if self._parts.teacher:
            networks["teacher"] = self._parts.teacher.answering
        batch_size = self._parts.recipe.data.batch_size
        return {name: Compiled(network, batch_size) for name, network in networks.items()}

    def _use(self, compiled: dict[str, Compiled]) -> None:
        self._compiled = compiled
        for name, learner in self._parts.learners.items():
            learner.distiller.compiled = compiled.get(name)
        if self._parts.teacher:
            self._parts.teacher.compiled = compiled.get("teacher")


def _median() -> Generator[str, float, float]:
    """The median seconds of some steps, received one by one."""
    seconds = []
    for _ in range(TIMED):
        seconds.append((yield ""))
    return statistics.median(seconds)
