"""Results of finished runs in a terminal: accuracies with their intervals, the conclusion, and faults."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from kdcore.results import measures
from kdcore.results.comparison import TWO_CLASSES, Outcome, Results, Summary, covers, sentence, summarise
from kdcore.results.diagnoses import Diagnosis


def show(console: Console, run: Outcome) -> None:
    """A run's results on the test images with their intervals, and the conclusion."""
    results = run.results
    table = Table("network", "test accuracy", "95 % interval")
    for network in ("teacher", "student", "twin"):
        if figures := results.get(network):
            table.add_row(
                network,
                f"{100 * figures['top1']:.2f} %",
                f"{100 * figures['low']:.2f} % to {100 * figures['high']:.2f} %",
            )
    console.print(table)
    for network in ("teacher", "student", "twin"):
        figures = results.get(network, {})
        if two_classes := [f"{name} {figures[name]:.3f}" for name in TWO_CLASSES if name in figures]:
            console.print(f"{network}: {', '.join(two_classes)}", highlight=False)
    _show_conclusion(console, summarise([run]))
    _show_measures(console, results)


def _show_measures(console: Console, results: Results) -> None:
    """What else changed, a row per measure."""
    networks = [name for name in measures.NETWORKS if name in results]
    table = Table("what else changed", *networks)
    for row in measures.rows(results):
        table.add_row(row.measure.title, *(row.values.get(name, "") for name in networks))
    console.print(table)
    console.print(measures.without_claim(results), highlight=False, style="dim")


def show_diagnoses(console: Console, found: Sequence[Diagnosis], of: str = "") -> None:
    """Faults that a run's numbers show, each with what to try next."""
    for diagnosis in found:
        style = "dim" if diagnosis.note else "yellow"
        console.print(f"{of}{diagnosis.in_words}", highlight=False, style=style)


def show_seeds(console: Console, finished: list[Outcome], planned: int) -> None:
    """Mean over seeds with its interval: of each network, and of student - twin."""
    summary = summarise(finished, planned)
    table = Table("network", f"test accuracy, mean of {summary.seeds} seeds", "95 % interval")
    for network, figures in summary.networks.items():
        top1 = figures["top1"]
        table.add_row(
            network,
            f"{100 * top1.mean:.2f} %",
            f"{100 * top1.low:.2f} % to {100 * top1.high:.2f} %" if top1.bounded else "",
        )
    console.print(table)
    _show_conclusion(console, summary)


def _show_conclusion(console: Console, summary: Summary) -> None:
    if summary.difference:
        console.print(f"Student - twin: {sentence(summary)}", highlight=False)
        console.print(covers(summary), highlight=False, style="dim")
