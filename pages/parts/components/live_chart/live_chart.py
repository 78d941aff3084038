"""Curves of runs that update themselves: the browser requests new points without rerunning the page.

Axis, smoothing, scale, zoom and a kept cursor are in the address; all charts of a page share them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kdcore.checks.findings import LEAST_SEEN
from kdcore.recipe import Recipe
from kdcore.store import ACTIVE, RunState
from pages.parts import formatting, palette
from pages.parts.address import Choice, Flag, Number, Settings
from pages.parts.components.loading import component, sent

_component = component("live_chart")
SETTINGS = Settings(
    smooth=Number(0.8, 0, 0.999),
    x=Choice(("epoch", "step", "steplog", "images", "time")),
    log=Flag(),
    clip=Flag(usual=True),
    **{name: Number(None, 0, 1e6) for name in ("from", "to", "epoch")},  # zoom and cursor, in epochs
)


@dataclass(frozen=True)
class Line:
    """One line in a panel: a series of the store by `name`, or a constant `level` of the teacher.

    run: which of the chart's runs.
    behind: a series that is drawn faintly behind it, such as a measurement on fewer images.
    colour: a colour name of the theme, see `palette`. style: solid (0), dashed, dotted, ...: how runs and twins differ.
    smooth: noisy, so that the smoothing slider applies. faint: thin and pale.
    """

    label: str
    colour: str
    name: str = ""
    level: str = ""
    behind: str = ""
    run: int = 0
    style: int = 0
    smooth: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Panel:
    """A chart. log: it may be drawn on a log scale. fixed: ends of the y axis, which follows the values where None.

    labelled: the lines have their labels at their ends too.
    """

    title: str
    lines: tuple[Line, ...]
    note: str = ""
    unit: str = ""  # "%" for fractions
    log: bool = False
    fixed: tuple[float, float] | None = None
    labelled: bool = False


def live_chart(runs: Sequence[RunState], panels: Sequence[Panel], *, key: str, whole: bool = False) -> None:
    """Draw panels that share one x axis. When a run's status changes, its points are requested again.

    whole: the x axis goes to the last epoch from the start.
    """
    plain = [{("series" if k == "lines" else k): v for k, v in asdict(panel).items()} for panel in panels]
    _component(
        key=key,
        data={
            "runs": [{"id": run.id, "name": run.name, "version": run.status} for run in runs],
            "panels": plain,
            "whole": whole,
            "start": SETTINGS.read(),
            "usual": SETTINGS.usual(),
        },
        on_looked_change=lambda: SETTINGS.remember(sent(key, "looked", dict)),
    )


def panels_of(recipe: Recipe, run: RunState) -> list[Panel]:
    """The panels of one run."""
    twin, terms = bool(recipe.twin), [term.label for term in recipe.terms]
    networks = ("student", "twin") if twin else ("student",)
    coloured = {term: palette.TERM_COLOURS[i % len(palette.TERM_COLOURS)] for i, term in enumerate(terms)}

    validated = bool(recipe.data.validation)
    name, images = ("top1", "validation images") if validated else ("train_top1", "training images")
    sample = "sample_top1" if validated else ""
    right = [_network(n, f"{name}/{n}", smooth=not validated, behind=sample) for n in networks]
    if recipe.teacher and validated:
        right.append(Line("Teacher", palette.COLOURS["teacher"], level="top1", style=1))
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


def panels_to_compare(recipes: Sequence[Recipe], names: Sequence[str]) -> list[Panel]:
    """The panels of several runs: a line style per run, and the colour of the network, which means the same everywhere."""
    right, loss = [], []
    for i, (recipe, name) in enumerate(zip(recipes, names, strict=True)):
        of_run = {"run": i, "style": i % palette.RUN_STYLES}
        right.append(Line(name, palette.COLOURS["student"], "top1/student", **of_run))
        loss.append(Line(name, palette.COLOURS["student"], "loss/student/total", smooth=True, **of_run))
        if recipe.twin:
            right.append(Line(f"{name}, twin", palette.COLOURS["twin"], "top1/twin", **of_run))
    return [
        Panel(
            "Accuracy", tuple(right), note="on validation images; a line style for each run", unit="%", labelled=True
        ),
        Panel("Total loss", tuple(loss), note="student", log=True, labelled=True),
    ]


def _network(network: str, name: str, *, smooth: bool = False, behind: str = "") -> Line:
    more = f"{behind}/{network}" if behind else ""
    return Line(
        network.capitalize(), palette.COLOURS[network], name, behind=more, style=int(network == "twin"), smooth=smooth
    )
