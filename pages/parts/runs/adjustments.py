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
MOST = 3.0  # the slider's end, as a factor; a command line may set more
CONFIRMED = 60.0  # seconds in which a run follows a change, between two steps
ADJUSTABLE = ("running", "paused")


@dataclass(frozen=True)
class Knob:
    """A setting by the name that the runner knows, with its label and the recipe's present value."""

    name: str
    label: str
    in_recipe: float
    least: float = 0.0  # factor


def knobs(recipe: Recipe, run: RunState) -> list[Knob]:
    """The settings of a run: weights, temperatures of the terms that use one, and the learning rate."""
    found = [
        Knob(
            f"weight/{term.label}", f"Weight of {term.label}", schedules.parse(term.weight, recipe.epochs)(run.progress)
        )
        for term in recipe.terms
    ]
    methods = engine.methods()
    for term in recipe.terms:
        if (method := methods.get(term.method)) and method.uses_temperature:
            value = schedules.parse(term.temperature, recipe.epochs)(run.progress)
            found.append(Knob(f"temperature/{term.label}", f"Temperature of {term.label}", value, least=0.1))
    rate = recipe.optimizer.lr * recipe.lr.schedule(recipe.epochs)(run.progress)
    return [*found, Knob("learning_rate", "Learning rate", rate)]


def show(run: RunState, recipe: Recipe) -> None:
    """The operator's sliders, redrawn every second while the run trains, here or in another process.

    A visitor sees `values` below the run's maps, which a browser requests without a rerun of the page.
    """
    if run.status in ADJUSTABLE and role.is_operator():
        with st.container(key="adjust-run"):
            refreshing(sliders, True, SECONDS)(run.id)


def values(run: RunState, recipe: Recipe) -> str:
    """The settings in use, in a line; empty for a run that is not training."""
    if run.status not in ADJUSTABLE:
        return ""
    return " · ".join(f"{knob.label} {in_words(knob, run)}" for knob in knobs(recipe, run))


def in_words(knob: Knob, run: RunState) -> str:
    """`0.9`, or `0.9 → 1.8` where a user changed it."""
    now = run.knobs.get(knob.name, 1.0)
    before, after = f"{knob.in_recipe:.3g}", f"{now * knob.in_recipe:.3g}"
    return before if now == 1.0 else f"{before} → {after}"


def sliders(run_id: str) -> None:
    run, recipe = engine.store().state(run_id), engine.store().recipe(run_id)
    if refused := st.session_state.pop(_refused(run_id), ""):
        st.error(formatting.message(refused))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.grid(columns="auto", min_column_width=170, width="stretch", gap="medium", key="knobs"):
            for knob in knobs(recipe, run):
                slider(run, knob)
        take_back(run)


def take_back(run: RunState) -> None:
    """Undo the last change; reset all."""
    with st.container(horizontal=True, width="content", gap="xsmall", key="knob-buttons"):
        last = run.undoable.get("words", "")
        st.button(
            "Undo", icon=":material/undo:", key=f"undo-{run.id}", disabled=not last, on_click=command,
            args=(run.id, "undo_knob"), help=formatting.as_text(last) if last else "No setting was changed yet.",
        )  # fmt: skip
        turned = any(factor != 1.0 for factor in run.knobs.values())
        st.button(
            "Reset", icon=":material/restart_alt:", key=f"reset-{run.id}", disabled=not turned, on_click=command,
            args=(run.id, "reset_knobs"), help="All settings back to the recipe's values.",
        )  # fmt: skip


def slider(run: RunState, knob: Knob) -> None:
    """A slider that shows the run's factor and the resulting value. Only its own user's change is sent: see `moved`."""
    now = run.knobs.get(knob.name, 1.0)
    window = _window(run.id, knob.name, now)
    window.follow(now)
    key, drawn_at = _key(run.id, knob.name, window), max(now, knob.least)
    stands_at = st.slider(
        f"{formatting.as_text(knob.label)}: {in_words(knob, run)}", knob.least, max(MOST, now), drawn_at, 0.1,
        format="× %.1f", key=key, on_change=moved, args=(run.id, knob.name, key),
    )  # fmt: skip
    if stands_at != drawn_at and not window.sent:
        # Streamlit dropped its position, at a redraw of the page without the sliders; this one counts from the next refresh on
        window.draw_again(now)


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
    """The user of this window moved a slider. Nothing is changed by what a new slider was drawn at, nor by an older slider, which
    a slow browser still shows and sends."""
    window, factor = _window(run_id, knob, 1.0), st.session_state[key]
    if key != _key(run_id, knob, window) or factor == window.last:
        return
    window.last = factor
    if turn(run_id, knob, factor):
        window.sent.append(factor)
        window.sent_at = time.monotonic()
    else:
        window.draw_again(window.shown)


def command(run_id: str, name: str) -> None:
    """A button of all settings. Where it is refused the reason is shown."""
    if trouble := engine.refusal(getattr(engine.runner(), name), run_id):
        st.session_state[_refused(run_id)] = trouble


def turn(run_id: str, knob: str, factor: float) -> bool:
    """Send a user's change of one knob to the run. False where it is refused; the reason is shown."""
    trouble = engine.refusal(engine.runner().set_knob, run_id, knob, factor)
    if trouble:
        st.session_state[_refused(run_id)] = trouble
    return not trouble


def _key(run_id: str, knob: str, window: Window) -> str:
    return f"{knob}-{run_id}-{window.version}"


def _window(run_id: str, knob: str, factor: float) -> Window:
    window: Window = st.session_state.setdefault(f"window-{knob}-{run_id}", Window(factor, factor))
    return window


def _refused(run_id: str) -> str:
    return f"refused-knob-{run_id}"
