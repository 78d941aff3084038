"""An evaluation that runs a step at a time, shared by all windows that show the same networks; its progress and buttons."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from kdcore.errors import NotAllowed, OverQuota, UserError
from pages.parts import engine, formatting
from pages.parts.refresh import refreshing
from pages.parts.robustness import outcomes
from pages.parts.robustness.chosen import Chosen
from pages.parts.roles import role

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment, Progress, Which

T = TypeVar("T")
EVERY = "300ms"
FIRST_IMAGES = 200  # of each test set, in the evaluation that a first visit starts
WATCHED_SECONDS = 3.0  # between two looks whether another window has started an evaluation
STEPPING = 0.3  # seconds of steps in one run of a page's part
FRESH = 15.0  # seconds until outcomes are read again, which another process may have added to
ABANDONED = 10.0  # seconds without a step, after which the window that took them is taken for closed
KEPT_NETWORKS = 12  # whose outcomes stay in memory


class Running(Generic[T]):
    """Steps of the engine that are taken while at least one window shows them.

    found: the result so far. going: it is to go on. trouble: why it ended early. operators: only the operator's windows step.

    A visitor's window whose quota is used takes no step until it is free again; another window may meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: Iterator[T] | None = None
        self.found: T | None = None
        self.going = self.done = self.operators = False
        self.trouble = ""
        self.stepped = 0.0  # when
        self._starter = ""  # the visit
        self._waiting: dict[str, str] = {}  # visit -> why it takes no step

    def start(self, begin: Callable[[], Iterator[T]], *, operators: bool = False, forget: bool = False) -> None:
        """Let `begin`'s steps be taken. Nothing is computed yet. forget: the result of earlier steps."""
        with self._lock:
            if not self.going:
                self.found = None if forget else self.found
                self._steps, self.going, self.done, self.trouble = begin(), True, False, ""
                self.operators, self.stepped = operators, time.monotonic()
                self._starter, self._waiting = role.visit(), {}

    def stop(self) -> None:
        """At once: the step in progress is the last one. Raises NotAllowed for another's: a window may have drawn the button before."""
        if self.going and not self.may_stop:
            raise NotAllowed("Only the operator, or the window that started it, can stop this evaluation.")
        self.going, self._steps = False, None

    @property
    def may_step(self) -> bool:
        return not self.operators or role.is_operator()

    @property
    def may_stop(self) -> bool:
        """Whether this visit is the operator's, or started it."""
        return role.is_operator() or (not self.operators and role.visit() == self._starter)

    @property
    def waiting(self) -> str:
        """Why this visit takes no step at the moment; mostly empty."""
        return self._waiting.get(role.visit(), "")

    @property
    def abandoned(self) -> bool:
        """Whether this window waits for one that has been closed."""
        return self.going and not self.may_step and time.monotonic() - self.stepped > ABANDONED

    def advance(self, seconds: float = STEPPING) -> None:
        """Take steps for about so long, unless another window is at it. What is refused is `trouble`."""
        if not self.may_step or not self._lock.acquire(blocking=False):
            return
        try:
            end = time.monotonic() + seconds
            self._waiting.pop(role.visit(), None)
            while self.going and (steps := self._steps) and time.monotonic() < end and not self.waiting:
                self._step(steps)
        finally:
            self._lock.release()

    def _step(self, steps: Iterator[T]) -> None:
        try:
            found = next(steps, None)
        except OverQuota as error:
            self._waiting[role.visit()] = str(error)
        except UserError as error:
            self.trouble = str(error)
            self.going, self._steps = False, None
        except Exception:
            self.going, self._steps = False, None
            raise
        else:
            self.stepped = time.monotonic()
            if found is None:
                self.going, self._steps, self.done = False, None, True
            else:
                self.found = found


def follow(draw: Callable[..., None], running: Running[Any], *arguments: object) -> None:
    """Draw the result so far by `draw(running, *arguments)`, and again after each step while there are steps."""
    body = st.fragment(draw, run_every=EVERY) if running.going else draw
    body(running, *arguments)
    watch(running)


def watch(running: Running[Any]) -> None:
    """Where nothing is going, look now and then whether another window has started it, and then draw the page anew."""
    if not running.going:
        refreshing(redraw_if_changed, True, WATCHED_SECONDS)(running, running.stepped)


def redraw_if_changed(running: Running[Any], drawn: float) -> None:
    """drawn: when the last step was taken that is drawn."""
    if running.stepped != drawn:
        st.rerun()


def result_so_far(running: Running[T], *, retry: Callable[[], None] | None = None) -> T | None:
    """Take steps, and show why they ended early, or that there is no result yet. retry: offered where they ended early."""
    if running.going:
        running.advance()
        if not running.going:
            st.rerun()
    if running.trouble:
        st.warning(formatting.message(engine.shown(running.trouble)), icon=":material/warning:")
        if retry:
            st.button("Try again", icon=":material/refresh:", on_click=retry)
    if running.going and running.waiting:
        st.caption(formatting.message(running.waiting))
    if not running.found and running.going:
        st.progress(0.0, "Loading the networks and the images")
    return running.found


class Evaluation:
    """Outcomes of networks: those that are kept, and those of the evaluation in progress."""

    def __init__(self, references: tuple[str, ...]) -> None:
        self.references = references
        self.running: Running[Progress] = Running()
        self.started = ""  # which evaluation was started last, in words
        self._kept: Assessment | None = None
        self._read = 0.0

    @property
    def shown(self) -> Assessment:
        """What is known: what is kept, and what the last evaluation has found, which a full disk does not keep."""
        kept, last = self.kept(), self.last
        return kept if last is None or not outcomes.complete(last) else outcomes.together(kept, last)

    @property
    def last(self) -> Assessment | None:
        """The result so far of the last evaluation here."""
        return self.running.found.result if self.running.found else None

    @property
    def earlier(self) -> bool:
        """Whether results of an earlier evaluation stand for some that the one in progress has not found yet."""
        return self.running.going and outcomes.stands_for(self.kept(), self.last)

    def kept(self) -> Assessment:
        if self._kept is None or (not self.running.going and time.monotonic() - self._read > FRESH):
            self._kept, self._read = engine.kept_outcomes(self.references), time.monotonic()
        return self._kept

    def read_again(self) -> None:
        self._read = -FRESH

    def stop(self) -> None:
        """At once; what is complete is kept. Raises NotAllowed, as `Running.stop`."""
        self.running.stop()
        self.read_again()


@st.cache_resource(max_entries=KEPT_NETWORKS, show_spinner=False)
def _shared(references: tuple[str, ...], versions: tuple[str, ...]) -> Evaluation:
    return Evaluation(references)


def of(chosen: Chosen) -> Evaluation:
    """The one that all windows share."""
    return _shared(*chosen.key)


def buttons(chosen: Chosen, evaluation: Evaluation) -> None:
    """What can be started; while something is going, how to stop it."""
    running = evaluation.running
    if running.going:
        if running.may_stop:
            st.button("Stop", icon=":material/stop:", on_click=evaluation.stop, key="stop-evaluation")
        return
    known = set(evaluation.shown.conditions)
    if lacking(chosen, evaluation):
        label = "Evaluate on a few test sets" if len(known) < 2 else "Complete the quick evaluation"
        st.button(
            label, type="primary", icon=":material/play_arrow:", on_click=start, args=(chosen, evaluation, "quick")
        )
    elif role.is_operator():
        offer_full(chosen, evaluation, known)


def offer_full(chosen: Chosen, evaluation: Evaluation, known: set[str]) -> None:
    """The operator's: every set at every strength, and all corruptions."""
    every: dict[Which, str] = {"full": "all test sets", "corruptions": "all corruptions"}
    for which, words in every.items():
        left = [each for each in conditions(which, chosen) if each not in known]
        if left:
            st.button(
                f"Evaluate on {words}", icon=":material/play_arrow:", type="primary" if which == "full" else "secondary",
                on_click=start, args=(chosen, evaluation, which), key=f"evaluate-{which}",
                help=f"{len(left)} more test sets and strengths. Results are kept with the networks; it can be stopped at any time "
                "and continues where it was.",
            )  # fmt: skip


def conditions(which: Which, chosen: Chosen) -> list[str]:
    """The test sets, with their strengths, of such an evaluation of these networks."""
    return _conditions(which, *chosen.key)


@st.cache_data(max_entries=36, show_spinner=False)
def _conditions(which: Which, references: tuple[str, ...], versions: tuple[str, ...]) -> list[str]:
    return engine.conditions(which, references)


def lacking(chosen: Chosen, evaluation: Evaluation) -> list[str]:
    """What the quick evaluation has and these networks have not."""
    known = evaluation.shown.conditions
    return [each for each in conditions("quick", chosen) if each not in known]


def start(chosen: Chosen, evaluation: Evaluation, which: Which) -> None:
    """Start an evaluation. Raises NotAllowed for a full one that is not the operator's."""
    if which == "quick":
        evaluation.running.start(lambda: engine.quick_evaluation(chosen.references, images=None), forget=True)
    else:
        steps = engine.full_evaluation(chosen.references, corruptions=which == "corruptions")
        evaluation.running.start(lambda: steps, operators=True, forget=True)
    evaluation.started = which


def take_steps(evaluation: Evaluation) -> None:
    """Some of an evaluation that is going; what it kept is read again when it ends."""
    if evaluation.running.going:
        evaluation.running.advance()
        if not evaluation.running.going:
            evaluation.read_again()


def progress(evaluation: Evaluation, titles: Mapping[str, str]) -> None:
    """How far the evaluation is, or why it ended early. titles: of test sets."""
    running = evaluation.running
    if running.abandoned:
        st.caption("The evaluation waits: the operator's window that runs it is closed.")
    elif running.going and running.found is None:
        st.progress(0.0, "Loading the networks and the images")
    elif running.going and running.found is not None:
        found = running.found
        st.progress(min(1.0, found.done / max(found.total, 1e-9)), formatting.as_text(words(found, titles)))
    elif running.trouble:
        st.warning(formatting.message(engine.shown(running.trouble)), icon=":material/pause_circle:")
    if running.found is not None and running.found.unkept:
        why = formatting.message(engine.shown(running.found.unkept))
        st.warning(f"Results are shown, but not kept. {why}", icon=":material/save:")
    if running.going and running.waiting:
        st.caption(formatting.message(running.waiting))
    if evaluation.earlier:
        st.caption("Results of the earlier evaluation are shown until the new ones are there.")


def words(found: Progress, titles: Mapping[str, str]) -> str:
    """`Low-pass, 4: 35 %, 12 s left`."""
    name, _, strength = found.condition.partition("@")
    named = f"{titles[name]}, {strength}" if name in titles else "Images as they are"
    left = f", {formatting.duration(found.seconds_left)} left" if found.seconds_left is not None else ""
    return found.message or f"{named}: {formatting.percent(found.done / max(found.total, 1e-9), 0)}{left}"


def begin(chosen: Chosen, evaluation: Evaluation) -> None:
    """Start the quick evaluation of bundled networks without a click, once, so that a first visit sees results."""
    if chosen.bundled and not evaluation.started and not evaluation.running.going and lacking(chosen, evaluation):
        evaluation.running.start(lambda: engine.quick_evaluation(chosen.references, images=FIRST_IMAGES))
        evaluation.started = "quick"
