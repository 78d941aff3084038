"""The report of a study: what passes from teachers to students, on every test set, with charts, numbers and limits.

    for found in evaluate(state, store):
        ...                                    # progress, and at the end what was evaluated
    write(findings(found), folder)             # report.html, report.md, measures.csv, claims.csv, pictures

`networks` finds who is compared with whom, `evaluating` computes outcomes, `findings` measures and claims, `content` says what they
mean, `charts` draws, `blocks` writes HTML and Markdown, `tables` CSV.
"""

from pathlib import Path

from kdcore.files import atomic, disk
from kdcore.robustness.report import content, tables
from kdcore.robustness.report.blocks import Chart, as_html, as_markdown
from kdcore.robustness.report.evaluating import Evaluated, evaluate, kept, refuse_unknown
from kdcore.robustness.report.findings import Findings, findings

__all__ = ["Evaluated", "Findings", "evaluate", "findings", "kept", "refuse_unknown", "write"]

PICTURES = "pictures"


def write(found: Findings, folder: Path) -> list[Path]:
    """Write a report's files into a folder, which is made where there is none; returns them, the HTML file first.

    Raises:
        UserError: the folder cannot be written.
    """
    parts = content.blocks(found)
    assert found.evaluated.state is not None, "a report is of a study"
    title = f"What passes on: {found.evaluated.state.name}"
    files = {
        "report.html": as_html(title, parts),
        "report.md": f"# {title}\n\n{as_markdown(parts, PICTURES)}\n",
        "measures.csv": tables.measures_csv(found),
        "claims.csv": tables.claims_csv(found),
    }
    files |= {f"{PICTURES}/{part.name}.svg": part.svg for part in parts if isinstance(part, Chart)}
    with disk.in_words(folder, then="write the report again"):
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            atomic.write_text(folder / name, text)
    return [folder / name for name in files]
