"""A run, or several side by side, as one HTML page that opens from a disk: curves, heatmaps, verdict, recipe, methods, versions.

The curves and heatmaps are the app's own components: their scripts are read where they lie, and their requests are answered
from the page itself. A Content-Security-Policy in the page lets it load nothing and send nothing.
"""

import base64
import hashlib
import html
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.export import bundling, curves, maps, methods_text
from kdcore.paths import PROJECT
from kdcore.recipe import Recipe
from kdcore.results import json_text
from kdcore.results.comparison import Summary, covers, latex, sentence, summarise, summarise_all
from kdcore.runtime import versions
from kdcore.store import RunState, Store
from kdcore.store.evidence import diagnoses, warnings
from kdcore.store.lists import naming

FOLDER = Path(__file__).parent
COMPONENTS = PROJECT / "pages" / "parts" / "components"
MOST_RUNS = 12
NAMED = 4  # runs in the title
STYLES = 6  # of lines, as in the app
TERMS = ("blue", "red", "green", "yellow", "gray")  # colours of terms; none is a network's


def page(store: Store, run_ids: Sequence[str]) -> str:
    """The page. Raises UserError where a run does not exist, is damaged, has no steps, or where there are too many."""
    if not 1 <= len(run_ids) <= MOST_RUNS:
        raise UserError(f"A report has 1 to {MOST_RUNS} runs, not {len(run_ids)}. Choose fewer.")
    if not COMPONENTS.is_dir():
        raise UserError(
            f"A report needs the app's files, and there is no {COMPONENTS}. Make it in a checkout of the project."
        )
    runs = [store.state(run_id) for run_id in run_ids]
    for run in runs:
        if run.status == "damaged" or not run.steps:
            why = run.damage or "it has not trained yet"
            raise UserError(f"Run {run.id} has nothing to report: {why} Choose another run.")
    recipes = [store.recipe(run.id) for run in runs]
    names = naming.compared(runs)
    heatmaps, left_out = maps.gathered(store, runs, names)
    data = {
        "series": {run.id: json.loads(curves.new_points(store, run.id, store.version(run.id), run.status, -1, ())) for run in runs},
        "chart": {
            "runs": [{"id": run.id, "name": name, "version": run.status} for run, name in zip(runs, names, strict=True)],
            "panels": panels(runs, recipes, names), "whole": True,
        },
        "maps": heatmaps,
        "shadow": {name: _component(name) for name in ("live_chart", *(["run_maps"] if heatmaps else []))},
    }  # fmt: skip
    title = (
        runs[0].name
        if len(runs) == 1
        else f"{len(runs)} runs: {', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''}"
    )
    body = "\n".join([
        f"<h1>{_text(title)}</h1>",
        _verdict(store, runs, names),
        '<section id="curves"><h2>Curves</h2><div class="holder"></div></section>',
        f'<section id="maps"><h2>Where the networks look</h2>{_items(left_out)}<div class="holder"></div></section>' if heatmaps or left_out else "",
        *[_about(store, run, recipe, name) for run, recipe, name in zip(runs, recipes, names, strict=True)],
        _made(),
    ])  # fmt: skip
    return _document(title, body, data)


def panels(runs: Sequence[RunState], recipes: Sequence[Recipe], names: Sequence[str]) -> list[dict[str, Any]]:
    """The charts, as the component `live_chart` takes them: colours are the networks', line styles the runs'."""
    accuracy, loss = [], []
    several = len(runs) > 1
    images = "validation" if all(recipe.data.validation for recipe in recipes) else "training"
    for place, (recipe, name) in enumerate(zip(recipes, names, strict=True)):
        prefix, style = (f"{name}, " if several else ""), place % STYLES
        accuracy_of = "top1" if images == "validation" else "train_top1"
        for network, colour in (("student", "primary"), *((("twin", "orange"),) if recipe.twin else ())):
            label = f"{prefix}{network}" if several else network.capitalize()
            dashed = style if several else int(network == "twin")
            accuracy.append(_line(label, colour, f"{accuracy_of}/{network}", place, dashed))
            loss.append(_line(label, colour, f"loss/{network}/total", place, dashed, smooth=True))
        if recipe.teacher and images == "validation" and not several:
            accuracy.append(_line("Teacher", "violet", "", place, 1) | {"level": "top1"})
    found = [
        _panel("Accuracy", accuracy, note=f"on {images} images", unit="%", labelled=several),
        _panel("Total loss", loss, log=True, labelled=several),
    ]
    terms = [term.label for term in recipes[0].terms]
    if not several and len(terms) > 1:
        of_terms = [(term, TERMS[i % len(TERMS)]) for i, term in enumerate(terms)]
        each = [_line(term, colour, f"loss/student/{term}", 0, 0, smooth=True) for term, colour in of_terms]
        found.append(_panel("Loss of each term", each, note="student, before weighting", log=True))
    return found


def _line(label: str, colour: str, name: str, run: int, style: int, *, smooth: bool = False) -> dict[str, Any]:
    return {"label": label, "colour": colour, "name": name, "level": "", "behind": "", "run": run, "style": style, "smooth": smooth, "faint": False}  # fmt: skip


def _panel(title: str, lines: list[dict[str, Any]], *, note: str = "", unit: str = "", log: bool = False, labelled: bool = False) -> dict[str, Any]:  # fmt: skip
    return {
        "title": title,
        "series": lines,
        "note": note,
        "unit": unit,
        "log": log,
        "fixed": None,
        "labelled": labelled,
    }


def _verdict(store: Store, runs: Sequence[RunState], names: Sequence[str]) -> str:
    """What may be claimed, with the table that a paper takes. Several runs are corrected for their number."""
    done = [(name, run) for name, run in zip(names, runs, strict=True) if run.results]
    parts = [
        f"<p>{_text(name)} is {_text(run.status)}, so that it has no result.</p>"
        for name, run in zip(names, runs, strict=True) if not run.results
    ]  # fmt: skip
    if done:
        found: list[Summary]
        if len(done) == 1:
            found = [summarise([store.outcome(done[0][1].id)])]
        else:
            found = summarise_all([[store.outcome(run.id)] for _, run in done], [1] * len(done))
        rows = [(name, summary) for (name, _), summary in zip(done, found, strict=True)]
        for name, summary in rows:
            lead = f"<strong>{_text(name)}</strong>: " if len(runs) > 1 else ""
            parts.append(
                f'<p class="verdict">{lead}{_text(sentence(summary))}</p><p class="small">{_text(covers(summary))}</p>'
            )
        parts.append(_items(_cautions(store, done)))
        parts.append(_folded("LaTeX table", f"<pre>{_text(latex.table(rows))}</pre>"))
    return f'<section id="verdict"><h2>Result</h2>{"".join(parts)}</section>'


def _cautions(store: Store, runs: Sequence[tuple[str, RunState]]) -> list[str]:
    """What devalues or explains the results: the faults that they show, and the warnings of the runs."""
    return [
        f"{name}: {words}" if len(runs) > 1 else words
        for name, run in runs
        for words in (*(fault.in_words for fault in diagnoses(store, run.id)), *warnings(store, run.id))
    ]


def _about(store: Store, run: RunState, recipe: Recipe, name: str) -> str:
    words, cited = methods_text.paragraph(recipe, run)
    papers = "".join(f"<li>{_text(paper)}. {_text(address)}</li>" for paper, address in cited)
    computed = store.environment(run.id)
    environment = (
        _folded("What it was computed with", f"<pre>{_text(json_text.text(computed, indent=1))}</pre>")
        if computed
        else ""
    )
    return (
        f"<section><h2>{_text(name)}: method</h2><p>{_text(words)}</p><ol>{papers}</ol>"
        f"{_folded('Recipe (YAML)', f'<pre>{_text(recipe.to_yaml())}</pre>')}{environment}"
        f'<p class="small">Run {_text(run.id)}, {_text(run.status)}, on {_text(run.device or "an unknown device")}.</p></section>'
    )


def _made() -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in versions.versions().items())
    revision = versions.revision()
    code = (
        f", code at {str(revision['commit'])[:12]}{' with changes' if revision.get('modified') else ''}"
        if revision
        else ""
    )
    return f'<footer class="small">Made by Distillation Explorer{_text(code)}: {_text(libraries)}.</footer>'


def _items(words: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(each)}</li>' for each in words)}</ul>" if words else ""


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{_text(title)}</summary>{content}</details>"


def _text(words: str) -> str:
    return html.escape(words)


def _component(name: str) -> dict[str, str]:
    return {kind: (COMPONENTS / name / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css")}


def _theme() -> str:
    """The app's colours as the variables that its components use, light and dark."""
    theme = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    modes = {}
    for kind in ("light", "dark"):
        own = {
            name.removesuffix("Color"): value
            for name, value in theme[kind].items()
            if name.endswith("Color") and "Text" not in name
        }
        modes[kind] = "".join(f"--st-{name}-color: {value}; " for name, value in own.items())
    return f":root {{ {modes['light']} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {modes['dark']} }} }}\n"


def _document(title: str, body: str, data: dict[str, Any]) -> str:
    components = ", ".join(
        f"{name}: {bundling.as_expression(COMPONENTS / name / f'{name}.js')}" for name in data["shadow"]
    )
    start = (FOLDER / "report.js").read_text(encoding="utf-8")
    script = f"const components = {{{components}}};\n{start}"
    if "</script" in script.lower():
        raise AssertionError("a script that ends itself")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    embedded = json_text.text(data, separators=(",", ":")).replace("<", "\\u003c")  # no text can end the element
    style = _theme() + (FOLDER / "report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_text(title)} · Distillation Explorer</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f'<script type="application/json" id="data">{embedded}</script>\n<script type="module">{script}</script>\n</body>\n</html>\n'
    )
