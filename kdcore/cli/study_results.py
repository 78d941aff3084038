"""The results of a study in the terminal: a table of its variants and what may be concluded, or the same as JSON."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from kdcore.cli.options import store
from kdcore.results import json_text
from kdcore.results.comparison import Conclusion, Figure, Summary, claim, corrected, covers_all, ends, middle, sentence
from kdcore.store import StudyState, evidence

MOST_EQUAL = 3  # variants that share the best accuracy and are named
Summaries = dict[str, Summary]  # of variants, by label


def show(state: StudyState, against: str | None, as_json: bool) -> None:
    """Print the results of a study, variant by variant.

    Args:
        against: the variant that the others are compared with; by default the base of each.
    """
    if as_json:
        print(json_text.text({**brief(state), "variants": _rows(state), "faults": _faults(state)}))
        return
    console = Console(markup=False)  # names of variants may have square brackets
    known = {label: summary for label, summary in state.summaries().items() if summary}
    gaps = {label: gap for label, gap in state.against(against).items() if gap}
    bases = {label: against or state.base(label) for label in gaps}
    console.print(_title(state), highlight=False, soft_wrap=True)
    console.print(_table(state))
    for line in _conclusions(known, gaps, bases):
        console.print(line, highlight=False)
    for label, faults in _faults(state).items():
        console.print(
            f"{label}: runs with faults: {evidence.in_words(faults)}; `runs show ID` explains them", style="yellow"
        )
    if state.study.searches and (found := state.best):
        console.print(best_in_words(*found), highlight=False)
    for line in _conditions(known, gaps, bases):
        console.print(line, highlight=False, style="dim")


def best_in_words(labels: list[str], accuracy: float) -> str:
    """The best variant, or the first of those that are equal."""
    first = labels[:MOST_EQUAL] + ([f"{len(labels) - MOST_EQUAL} more"] if len(labels) > MOST_EQUAL else [])
    named = f"{', '.join(first[:-1])} and {first[-1]}, equally" if len(first) > 1 else first[0]
    return f"Best by validation accuracy: {named}, {100 * accuracy:.1f} %"


def _title(state: StudyState) -> str:
    title = f"{state.id}: {state.status}, {state.done} of {state.total} runs finished"
    return f"{title}, {state.pruned} stopped early by the search" if state.pruned else title


def _conclusions(known: Summaries, gaps: dict[str, Conclusion], bases: dict[str, str]) -> Iterator[str]:
    for label, summary in known.items():
        if summary.difference:
            yield f"{label}: {sentence(summary)}"
    for label, gap in gaps.items():
        words = claim(gap, f"the student of {label}", f"that of {bases[label]}")
        yield f"{label} - {bases[label]}, students paired by seed: {words}"


def _conditions(known: Summaries, gaps: dict[str, Conclusion], bases: dict[str, str]) -> Iterator[str]:
    """What the conclusions rest on."""
    if known:
        yield covers_all(known.values())
    if words := corrected(gaps.values()):
        others = ", ".join(dict.fromkeys(bases.values()))
        yield f"Students against {others}: {words}"


def _faults(state: StudyState) -> dict[str, evidence.Faults]:
    runs = store()
    return evidence.by_variant(state, lambda run: evidence.faults(runs, run.id))


def _table(state: StudyState) -> Table:
    names = (
        "variant",
        "seeds",
        "student %",
        "twin %",
        "teacher %",
        "student - twin, percentage points",
        "student val. %",
        "seconds",
    )
    table = Table(*(Column(name, overflow="fold") for name in names))  # of a narrow terminal no word loses its end
    for label, summary in state.summaries().items():
        seeds = f"{summary.seeds if summary else 0} of {len(state.study.seeds)}"
        if summary is None:
            table.add_row(label, seeds)
            continue
        accuracies = (_percent(summary, network) for network in ("student", "twin", "teacher"))
        gap = _gap(summary.difference) if summary.difference else ""
        chosen_by = state.validation(label)
        validation = "" if chosen_by is None else f"{100 * chosen_by:.1f}"
        table.add_row(label, seeds, *accuracies, gap, validation, f"{state.seconds(label):.0f}")
    return table


def brief(state: StudyState) -> dict[str, Any]:
    """A study without its results, as plain data."""
    plain = {"id": state.id, "name": state.name, "status": state.status, "done": state.done, "runs": state.total}
    return plain | ({"pruned": state.pruned} if state.pruned else {})


def _rows(state: StudyState) -> list[dict[str, Any]]:
    return [_row(state, label, summary) for label, summary in state.summaries().items()]


def _row(state: StudyState, label: str, summary: Summary | None) -> dict[str, Any]:
    row: dict[str, Any] = {"variant": label, "runs": [place.run_id for place in state.variants()[label]]}
    if summary is None:
        return {**row, "seeds": 0}
    plain: dict[str, dict[str, Any]] = {
        network: {metric: _plain(figure) for metric, figure in figures.items()}
        for network, figures in summary.networks.items()
    }
    if summary.difference:
        found = summary.difference
        made = {"claim": found.kind, "level": 1 - found.alpha, "comparisons": found.comparisons}
        plain["difference"] = {"top1": _plain(found), **made, "detectable": found.detectable}
    more = {"seeds": summary.seeds, "seconds": state.seconds(label), "validation": state.validation(label)}
    return {**row, **more, **plain, "sentence": sentence(summary)}


def _gap(found: Figure) -> str:
    return middle(found) + (f"\n{ends(found)}" if found.bounded else "")


def _plain(figure: Figure) -> dict[str, float]:
    return {"mean": figure.mean} | ({"low": figure.low, "high": figure.high} if figure.bounded else {})


def _percent(summary: Summary, network: str) -> str:
    figures = summary.networks.get(network)
    if not figures:
        return ""
    top1 = figures["top1"]
    ends = f"\n{100 * top1.low:.1f} to {100 * top1.high:.1f}" if top1.bounded else ""
    return f"{100 * top1.mean:.1f}{ends}"
