"""Curves of runs that update themselves: the browser requests new points without rerunning the page."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kdcore.checks.findings import LEAST_SEEN
from kdcore.recipe import Recipe
from kdcore.store import ACTIVE, RunState
from pages.parts import formatting, palette
from pages.parts.components.loading import component

_component = component("live_chart")


@dataclass(frozen=True)
class Line:
    """One line in a panel: a series of the store by `name`, or a constant `level` of the teacher.

    run: which of the chart's runs.
    colour: a colour name of the theme, see `palette`.
    smooth: noisy, so that the smoothing slider applies.
    """

    label: str
    colour: str
    name: str = ""
    level: str = ""
    run: int = 0
    dash: bool = False
    smooth: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    lines: tuple[Line, ...]
    note: str = ""
    unit: str = ""  # "%" for fractions
    log: bool = False  # may be drawn on a log scale


def live_chart(runs: Sequence[RunState], panels: Sequence[Panel], *, key: str) -> None:
    """Draw panels that share one x axis. When a run's status changes, its points are requested again."""
    plain = [{("series" if k == "lines" else k): v for k, v in asdict(panel).items()} for panel in panels]
    _component(key=key, data={"runs": [{"id": run.id, "version": run.status} for run in runs], "panels": plain})


def panels_of(recipe: Recipe, run: RunState) -> list[Panel]:
    """The panels of one run."""
    twin, terms = bool(recipe.twin), [term.label for term in recipe.terms]
    networks = ("student", "twin") if twin else ("student",)
    coloured = {term: palette.TERM_COLOURS[i % len(palette.TERM_COLOURS)] for i, term in enumerate(terms)}

    validated = bool(recipe.data.validation)
    name, images = ("top1", "validation images") if validated else ("train_top1", "training images")
    right = [_network(n, f"{name}/{n}", smooth=not validated) for n in networks]
    if recipe.teacher and validated:
        right.append(Line("Teacher", palette.COLOURS["teacher"], level="top1", dash=True))
    if recipe.teacher and validated and (seen := run.teacher.get("seen") or 0.0) >= LEAST_SEEN:
        images += f"; the teacher was trained on {formatting.percent(seen, 0)} of them"
    panels = [
        Panel("Accuracy", tuple(right), note=f"on {images}", unit="%"),
        Panel("Total loss", tuple(_network(n, f"loss/{n}/total", smooth=True) for n in networks), log=True),
    ]
    if len(terms) > 1:
        losses = tuple(Line(t, coloured[t], f"loss/student/{t}", smooth=True) for t in terms)
        shares = tuple(Line(t, coloured[t], f"share/{t}", smooth=True) for t in terms)
        panels.append(Panel("Loss of each term", losses, note="student, before weighting", log=True))
        panels.append(Panel("Share of the total", shares, note="student, weighted", unit="%"))
        if run.gradients or run.status in ACTIVE:
            gradients = tuple(Line(t, coloured[t], f"gradient_share/{t}") for t in terms)
            panels.append(Panel("Share of the gradient", gradients, note="student, by gradient norm", unit="%"))
    if weights_change(recipe, run):
        weights = tuple(Line(t, coloured[t], f"weight/{t}") for t in terms)
        panels.append(Panel("Weight of each term", weights, log=True))
    return panels


def weights_change(recipe: Recipe, run: RunState) -> bool:
    """Whether a term's weight changes during the run."""
    scheduled = any(
        isinstance(t.weight, dict) or t.from_epoch > 1 or t.to_epoch is not None or t.adapt for t in recipe.terms
    )
    return scheduled or recipe.weighting != "fixed" or any(knob.startswith("weight/") for knob in run.knobs)


def panels_to_compare(runs: Sequence[RunState], recipes: Sequence[Recipe]) -> list[Panel]:
    """The panels of several runs: a colour per run, twins dashed."""
    right, loss = [], []
    for i, (recipe, name) in enumerate(zip(recipes, legend(runs), strict=True)):
        colour = palette.RUN_COLOURS[i % len(palette.RUN_COLOURS)]
        right.append(Line(name, colour, "top1/student", run=i))
        loss.append(Line(name, colour, "loss/student/total", run=i, smooth=True))
        if recipe.twin:
            right.append(Line(f"{name}, twin", colour, "top1/twin", run=i, dash=True))
    return [
        Panel("Accuracy", tuple(right), note="on validation images", unit="%"),
        Panel("Total loss", tuple(loss), note="student", log=True),
    ]


def legend(runs: Sequence[RunState]) -> list[str]:
    """How the runs differ: their names without the words that all of them begin with, and the time of equal ones."""
    names = [run.name for run in runs]
    timed = [
        n if names.count(n) == 1 else f"{n}, {formatting.when(run.created)}" for n, run in zip(names, runs, strict=True)
    ]
    if len(runs) == 1:
        return timed
    parts = [re.split(r"(?<=[,:]) ", name) for name in timed]
    firsts = zip(*(each[:-1] for each in parts), strict=False)
    shared = len(list(itertools.takewhile(lambda first: len(set(first)) == 1, firsts)))
    return [" ".join(each[shared:]) for each in parts]


def _network(network: str, name: str, *, smooth: bool = False) -> Line:
    return Line(network.capitalize(), palette.COLOURS[network], name, dash=network == "twin", smooth=smooth)
