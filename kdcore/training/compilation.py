"""torch.compile as a choice: a run's networks are compiled on the way, and stay so only where that makes its steps shorter.

Compiling takes from some seconds to some minutes and saves a share of every step, so whether it pays depends on the machine,
the networks and the length of the run. Nothing here is guessed that can be measured: some steps are timed without, some
with it, and the run says what came of it.
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

WARM_UP, TIMED = 3, 10  # steps; the first ones are never like the others
SETTLING = 3  # steps until a compiled network runs as it will: CUDA graphs are recorded in the third
AT_LEAST = 30.0  # seconds that a run must still take: compiling is hardly ever done in less than half of them
SAVES = 0.98  # a step that takes more of its former time is not worth the change
GRAPHS_UP_TO = 64  # pixels a side: on a GPU starting kernels takes most of a step of small images
Trial = Generator[str, float, str]


class Compiled:
    """A network's forward, compiled for whole batches. Others, such as an epoch's last, go through the network as it is, and
    so does everything while it rests and once compiling has failed."""

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
            return self._as_it_is(images, needs)
        try:
            return self._forward(images, needs)
        except Exception as error:  # of whatever a compiler may raise; what is wrong with the network is raised again
            said = self._as_it_is(images, needs)
            self.trouble = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'no reason given')}"
            return said

    def _as_it_is(self, images: Tensor, needs: frozenset[str]) -> Outputs:
        said: Outputs = self.model(images, needs)
        return said


class Compiling:
    """Decides in the course of a run whether its networks run compiled. The loop calls it before and after each step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._compiled: dict[str, Compiled] = {}  # by the network's name
        self._began = 0.0
        self._decided = ""
        self._trial = self._tried() if parts.recipe.compile else None
        if self._trial:
            next(self._trial)

    def step_begins(self, *, measured: bool) -> None:
        """
        Args:
            measured: whether each term's gradient is taken in this step; a compiled graph can be gone through only once.
        """
        if self._compiled:
            self._compiled["student"].resting = measured
            torch.compiler.cudagraph_mark_step_begin()  # what is said now may take the place of what was said last
        self._began = time.perf_counter()

    def step_ended(self) -> None:
        if self._trial is None:
            return
        if self._parts.device.type == "cuda":
            torch.cuda.synchronize(self._parts.device)
        try:
            self._decided = self._trial.send(time.perf_counter() - self._began)
        except StopIteration as ended:
            self._trial, self._decided = None, ended.value

    def told(self) -> Iterator[Noted]:
        """What was decided in the step that just ended, or what the next one will be at."""
        if self._decided:
            yield Noted(self._decided)
            self._decided = ""

    def _tried(self) -> Trial:
        """Takes the seconds of each step, and says what is done; returns what came of it."""
        for _ in range(WARM_UP):
            yield ""
        before = yield from _median()
        left = (self._parts.steps - self._parts.step) * before
        if left < AT_LEAST:
            return (
                f"The networks are not compiled: the run is done in about {left:.0f} seconds, and compiling takes tens of "
                "seconds."
            )
        self._use(self._all_compiled())
        took = yield "Compiling the networks: the next step may take a minute or two."
        for _ in range(SETTLING - 1):
            took += yield ""
        took -= SETTLING * before
        if trouble := next((each.trouble for each in self._compiled.values() if each.trouble), ""):
            self._use({})
            return f"The networks run as they are, for they cannot be compiled here. {trouble}"
        after = yield from _median()
        ratio = f"a step takes {after / before:.2f} of its former time"
        if after > SAVES * before:
            self._use({})
            return f"The networks run as they are: compiled, {ratio}. Compiling took {took:.0f} seconds."
        steps, left = took / (before - after), self._parts.steps - self._parts.step
        pays = f"won back after {steps:,.0f} steps" if steps <= left else "more than the rest of the run wins back"
        return f"The networks run compiled: {ratio}. Compiling took {took:.0f} seconds, {pays}."

    def _all_compiled(self) -> dict[str, Compiled]:
        torch.compiler.reset()  # forgets what earlier runs compiled, of which a process may hold only so much
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
    """Of the seconds of some steps. The first yield takes the first of them."""
    seconds = []
    for _ in range(TIMED):
        seconds.append((yield ""))
    return statistics.median(seconds)
