"""Results as rows of a LaTeX table, with the intervals of their conclusions and none where a conclusion is refused."""

import re
from collections.abc import Sequence

from kdcore.results.comparison.figure import MINUS, Figure, ends, middle
from kdcore.results.comparison.sentences import covers, sentence
from kdcore.results.comparison.summary import NETWORKS, Summary

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def table(rows: Sequence[tuple[str, Summary]]) -> str:
    """A `tabular` for the package booktabs: a row for each name and summary; comments say what the intervals cover.

    Args:
        rows: summaries that were made together by `summarise_all`, so that their intervals are corrected for their number.
    """
    networks = [n for n in NETWORKS if any(n in summary.networks for _, summary in rows)]
    twin = any(summary.difference for _, summary in rows)
    head = [
        "Run",
        *(rf"{network.capitalize()} (\%)" for network in networks),
        *(["Student $-$ twin (pp)"] if twin else []),
    ]
    notes = [f"% {text(name)}: {in_ascii(f'{sentence(summary)} {covers(summary)}')}" for name, summary in rows]
    lines = [
        r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{l{'c' * (len(head) - 1)}}}", r"\toprule", " & ".join(head) + r" \\",
        r"\midrule", *(row(name, summary, networks, twin) for name, summary in rows), r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join([*lines, *notes]) + "\n"


def row(name: str, summary: Summary, networks: Sequence[str], twin: bool) -> str:
    """`quick & 98.8 [98.1, 99.2] & ... \\\\`: accuracies on the test images in percent, the difference in percentage points."""
    cells = [
        accuracy(summary.networks[network]["top1"]) if network in summary.networks else "--" for network in networks
    ]
    if twin:
        cells.append(difference(summary.difference) if summary.difference else "--")
    return " & ".join([text(name), *cells]) + r" \\"


def accuracy(top1: Figure) -> str:
    interval = f" [{100 * top1.low:.1f}, {100 * top1.high:.1f}]" if top1.bounded else ""
    return f"{100 * top1.mean:.1f}{interval}"


def difference(found: Figure) -> str:
    interval = " [" + ", ".join(signed(end) for end in ends(found).split(" to ")) + "]" if found.bounded else ""
    return signed(middle(found)) + interval


def signed(number: str) -> str:
    return f"${number.replace(MINUS, '-')}$"


def text(name: str) -> str:
    """A name with LaTeX's special characters escaped, on one line."""
    return re.sub(r"[\\&%$#_{}~^]", lambda found: SPECIAL[found.group()], " ".join(name.split()))


def in_ascii(words: str) -> str:
    return " ".join(words.split()).replace(MINUS, "-")
