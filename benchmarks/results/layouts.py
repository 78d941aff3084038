"""Tables of docs/results.md as Markdown: a function per kind of table, from a table's runs. Sentences are `results.comparison`'s."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean

from benchmarks.results.record import Measured, RunRecord, outcome
from kdcore.results.comparison import (
    Compared,
    Figure,
    Summary,
    claim,
    conclude_all,
    covers,
    ends,
    middle,
    sentence,
    summarise,
    summarise_all,
    with_student,
)

Layout = Callable[[Measured], str]
NETWORKS = ("teacher", "student", "twin")
GAP = "student - twin (percentage points)"


def by_seed(measured: Measured) -> str:
    """A row per seed with intervals over the test images, and the mean over seeds."""
    rows = [["seed", *NETWORKS, GAP], ["---"] * 5]
    for run in measured.runs:
        alone = summary([run])
        rows.append([str(run.seed), *(_percent(alone, network, places=2) for network in NETWORKS), _gap(alone)])
    if len(measured.runs) == 1:
        return f"{_table(rows)}\n\n{sentence(alone)} {covers(alone)}"
    together = summary(measured.runs)
    rows.append(["mean over seeds", *(_percent(together, network) for network in NETWORKS), _gap(together)])
    return f"{_table(rows)}\n\n{sentence(together)} {covers(together)}"


def by_variant(first: str, *, parameters: bool = False, against: str = "") -> Layout:
    """A row per variant: student and difference, each with its interval over seeds.

    Args:
        against: a variant whose students the others' are compared with, by seed, besides each with its twin.
    """

    def layout(measured: Measured) -> str:
        variants = measured.variants()
        groups = [[outcome(run) for run in runs] for runs in variants.values()]
        found = dict(zip(variants, summarise_all(groups, [len(runs) for runs in groups]), strict=True))
        rows = [[first, "student, %", GAP] + ["parameters"] * parameters]
        rows.append(["---"] * len(rows[0]))
        for variant, each in found.items():
            cells = [variant, _bare(each, "student"), _gap(each)]
            rows.append([*cells, *([_parameters(variants[variant][0])] if parameters else [])])
        compared = {variant: each for variant, each in found.items() if each.difference}
        sentences = [f"- {variant}: {sentence(each)}" for variant, each in compared.items()]
        parts = [_table(rows), "\n".join(sentences), covers(next(iter(compared.values()))) if compared else ""]
        return "\n\n".join(filter(None, [*parts, _students(variants, against) if against else ""]))

    return layout


def _students(variants: dict[str, list[RunRecord]], against: str) -> str:
    """The students of each variant against those of one of them."""
    names = [name for name in variants if name != against]
    others = [outcome(run) for run in variants[against]]
    compared = [
        Compared(
            tuple(with_student(outcome(run), other) for run, other in zip(variants[name], others, strict=True)),
            len(others),
        )
        for name in names
    ]
    lines = [
        f"- {name}: {claim(each, 'its student', 'the other')}"
        for name, each in zip(names, conclude_all(compared), strict=True)
    ]
    several = f" ({len(names)} comparisons, corrected by Holm's procedure)" if len(names) > 1 else ""
    return f"Students against those of “{against}”, seed by seed{several}:\n\n" + "\n".join(lines)


def one_run_each(measured: Measured) -> str:
    """A row per variant, each of a single run."""
    rows = [["", *NETWORKS, GAP], ["---"] * 5]
    for variant, runs in measured.variants().items():
        found = summary(runs)
        rows.append([variant, *(_percent(found, network, interval=False) for network in NETWORKS), _gap(found)])
    return _table(rows)


def two_classes(measured: Measured) -> str:
    """A row per network with the measures of two classes."""
    found = summary(measured.runs)
    measures = {
        "top1": "accuracy, %",
        "auroc": "AUROC, %",
        "sensitivity": "sensitivity, %",
        "specificity": "specificity, %",
    }
    rows = [["", *measures.values()], ["---"] * 5]
    for network in NETWORKS:
        rows.append([network, *(_figure(found.networks[network][measure]) for measure in measures)])
    rows.append([GAP, _gap(found), "", "", ""])
    return f"{_table(rows)}\n\n{sentence(found)} {covers(found)}"


def chosen_on_validation(setting: str, network: str) -> Layout:
    """A row per value: the accuracy on validation images, by which the value is chosen; the best in bold."""

    def layout(measured: Measured) -> str:
        means = {
            variant: fmean(run.validation[network] for run in runs) for variant, runs in measured.variants().items()
        }
        best = max(means.values())
        rows = [[setting, "validation images, %, each seed", "mean"], ["---"] * 3]
        for variant, runs in measured.variants().items():
            each = ", ".join(f"{100 * run.validation[network]:.2f}" for run in runs)
            bold = "**" if math.isclose(means[variant], best, abs_tol=1e-9) else ""  # equal means are equally good
            rows.append([f"{bold}{variant.removeprefix('lr ')}{bold}", each, f"{bold}{100 * means[variant]:.1f}{bold}"])
        return _table(rows)

    return layout


def precision(measured: Measured) -> str:
    """Each seed's student, and the difference of the two variants paired by seed."""
    variants = measured.variants()
    rows = [["`precision`", "student, % (seeds 0, 1, 2)", "mean, 95 %"], ["---"] * 3]
    for variant, runs in variants.items():
        each = ", ".join(f"{100 * run.results['student']['top1']:.2f}" for run in runs)
        rows.append([variant, each, _bare(summary(runs), "student")])
    return f"{_table(rows)}\n\n{_students(variants, next(iter(variants)))}"


def summary(runs: Sequence[RunRecord]) -> Summary:
    return summarise([outcome(run) for run in runs])


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" if set(row) != {"---"} else "|" + "---|" * len(row) for row in rows)


def _percent(found: Summary, network: str, *, places: int = 1, interval: bool = True) -> str:
    if network not in found.networks:
        return ""
    figure = found.networks[network]["top1"]
    shown = f"{100 * figure.mean:.{places}f} %"
    return shown + (f" ({_span(figure)})" if interval and figure.bounded and figure.low < figure.high else "")


def _bare(found: Summary, network: str) -> str:
    return _figure(found.networks[network]["top1"])


def _figure(figure: Figure) -> str:
    return f"{100 * figure.mean:.1f}" + (f" ({_span(figure)})" if figure.bounded and figure.low < figure.high else "")


def _span(figure: Figure) -> str:
    return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def _gap(found: Summary) -> str:
    return _points(found.difference) if found.difference else ""


def _points(figure: Figure) -> str:
    return middle(figure) + (f" ({ends(figure)})" if figure.bounded else "")


def _parameters(run: RunRecord) -> str:
    student, extra = run.parameters["student"], run.parameters.get("training_only", 0)
    return f"{student:,} + {extra:,}" if extra else f"{student:,}"
