"""All curves of a run: accuracy and loss in training and validation, terms, gradient, learning rate, temperatures, layer weights."""

from kdcore.recipe import Recipe
from kdcore.store import RunState
from pages.parts import engine, palette
from pages.parts.components.live_chart.live_chart import Line, Panel, live_chart, panels_of
from pages.parts.runs import batch


def show(run: RunState, recipe: Recipe) -> None:
    live_chart([run], [*panels_of(recipe, run), *more_panels(recipe, run)], key=f"curves-{run.id}")
    batch.show(run)


def more_panels(recipe: Recipe, run: RunState) -> list[Panel]:
    """Training against validation, and what is set: the panels that few need."""
    networks = ("student", "twin") if recipe.twin else ("student",)
    series = engine.store().series(run.id)
    panels = []
    if recipe.data.validation:
        panels += [against(networks, "Training and validation accuracy", "train_top1", "top1", "", "%"),
                   against(networks, "Training and validation loss", "loss", "nll", "/total", "")]  # fmt: skip
    labels = [term.label for term in recipe.terms]
    if hot := [label for label in labels if f"temperature/{label}" in series]:
        panels.append(Panel("Temperature", per_term(labels, hot, "temperature"), note="of each term that uses one"))
    panels.append(Panel("Learning rate", (Line("Learning rate", "gray", "learning_rate"),), note="of the student"))
    return panels


def against(networks: tuple[str, ...], title: str, training: str, validation: str, of: str, unit: str) -> Panel:
    """Training dashed and smoothed, validation solid, of each network in its colour."""
    lines = []
    for name in networks:
        colour, called = palette.COLOURS[name], name.capitalize()
        lines.append(Line(f"{called}, validation", colour, f"{validation}/{name}"))
        lines.append(Line(f"{called}, training", colour, f"{training}/{name}{of}", style=1, smooth=True))
    note = "training: with augmentation, in the batches" if unit else "cross-entropy; training: the total loss"
    return Panel(title, tuple(lines), note=note, unit=unit)


def per_term(labels: list[str], chosen: list[str], series: str) -> tuple[Line, ...]:
    colours = palette.TERM_COLOURS
    return tuple(Line(label, colours[labels.index(label) % len(colours)], f"{series}/{label}") for label in chosen)
