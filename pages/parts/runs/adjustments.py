"""Settings of a run that can be changed while it trains. Several windows may show them: all follow the run."""

import time
from dataclasses import dataclass, field

import streamlit as st

from kdcore.recipe import Recipe, schedules
from kdcore.store import RunState
from pages.parts import engine, formatting
from pages.parts.refresh import refreshing
from pages.parts.roles import role

SECONDS = 1.0
MOST = 3.0  # the slider's end; a command line may set more
CONFIRMED = 60.0  # seconds in which a run follows a change, between two steps
ADJUSTABLE = ("running", "paused")


@dataclass(frozen=True)
class Knob:
    """A setting by the name that the runner knows, with its label and the recipe's present value."""

    name: str
    label: str
    in_recipe: float


def knobs(recipe: Recipe, progress: float) -> list[Knob]:
    """The settings of a run. progress: in [0, 1], as weights may have a schedule."""
    rate = recipe.optimizer.lr * recipe.lr.schedule(recipe.epochs)(progress)
    terms = [
        Knob(f"weight/{term.label}", f"Weight of {term.label}", schedules.parse(term.weight, recipe.epochs)(progress))
        for term in recipe.terms
    ]
    return [Knob("learning_rate", "Learning rate", rate), *terms]


def show(run: RunState) -> None:
    """The sliders, redrawn every second while this process trains the run."""
    if role.is_operator() and run.status in ADJUSTABLE and run.id in engine.runner().active():
        with st.expander("Adjust while training", icon=":material/tune:", key="adjust-run"):
            refreshing(sliders, True, SECONDS)(run.id)


def sliders(run_id: str) -> None:
    run, recipe = engine.store().state(run_id), engine.store().recipe(run_id)
    st.caption("Factors on the recipe's values, applied from the next step on. Changes are logged.")
    if refused := st.session_state.pop(_refused(run_id), ""):
        st.error(formatting.message(refused))
    with st.grid(columns="auto", min_column_width=220, key="knobs"):
        for knob in knobs(recipe, run.progress):
            with st.container(gap="xxsmall"):
                slider(run, knob)


def slider(run: RunState, knob: Knob) -> None:
    """A slider that shows the run's factor. Only its own user's change is sent: see `moved`."""
    now = run.knobs.get(knob.name, 1.0)
    window = _window(run.id, knob.name, now)
    window.follow(now)
    key = f"{knob.name}-{run.id}-{window.version}"
    st.slider(
        knob.label, 0.0, max(MOST, now), now, 0.1, format="× %.1f", key=key, on_change=moved, args=(run.id, knob.name, key)
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"now {now * knob.in_recipe:.3g} · recipe {knob.in_recipe:.3g}", width="content")
        if now != 1.0:
            st.button(
                "Reset", key=f"reset-{knob.name}-{run.id}", type="tertiary", icon=":material/undo:", on_click=reset,
                args=(run.id, knob.name), help=f"{knob.label}: back to the recipe's value.",
            )  # fmt: skip


@dataclass
class Window:
    """What this window has shown and sent of one knob.

    shown: the run's factor as drawn last. last: what the slider stood at, as far as is known here.
    sent: the user's factors that the run has not confirmed yet, the last of them at `sent_at`.
    version: of the slider. Where the run was changed elsewhere a new one is drawn, so that what a browser still sends of the old
        one counts for nothing.
    """

    shown: float
    last: float
    sent: list[float] = field(default_factory=list)
    sent_at: float = 0.0
    version: int = 0

    def follow(self, now: float) -> None:
        """Take the run's factor `now`."""
        if now in self.sent and now != self.shown:  # this window's own change, or one on the way to it
            del self.sent[: self.sent.index(now) + 1]
        elif now != self.shown or (self.sent and time.monotonic() - self.sent_at > CONFIRMED):
            self.draw_again(now)
        self.shown = now

    def draw_again(self, now: float) -> None:
        """A new slider at `now`."""
        self.version += 1
        self.last = now
        self.sent.clear()


def moved(run_id: str, knob: str, key: str) -> None:
    """The user of this window moved a slider; or a browser has sent what a new slider was drawn at, which changes nothing."""
    window, factor = _window(run_id, knob, 1.0), st.session_state[key]
    if factor == window.last:
        return
    window.last = factor
    if turn(run_id, knob, factor):
        window.sent.append(factor)
        window.sent_at = time.monotonic()
    else:
        window.draw_again(window.shown)


def reset(run_id: str, knob: str) -> None:
    turn(run_id, knob, 1.0)


def turn(run_id: str, knob: str, factor: float) -> bool:
    """Send a user's change of one knob to the run. False where it is refused; the reason is shown."""
    trouble = engine.refusal(engine.runner().set_knob, run_id, knob, factor)
    if trouble:
        st.session_state[_refused(run_id)] = trouble
    return not trouble


def _window(run_id: str, knob: str, factor: float) -> Window:
    window: Window = st.session_state.setdefault(f"window-{knob}-{run_id}", Window(factor, factor))
    return window


def _refused(run_id: str) -> str:
    return f"refused-knob-{run_id}"
