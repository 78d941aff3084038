"""Studies in a terminal: start one, go on with one, see and take away what it says."""

import json
from argparse import Namespace
from typing import Any

from kdcore.cli.commands import store
from kdcore.errors import UserError, shortened
from kdcore.recipe import RecipeError, yaml_text
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from kdcore.results.comparison import Figure, Summary, covers, points, sentence
from kdcore.store import Studies, StudyState

ACTIONS = ("list", "show", "csv", "resume", "delete")


def study(options: Namespace) -> int:
    shelf = Studies(store())
    if options.what not in ACTIONS:
        return _start(studies.named(options.what), options)
    if options.what == "list":
        return _list(shelf, options)
    if not options.study_id:
        raise UserError(f"`study {options.what}` needs a study's id; `python -m kdcore study list` lists them.")
    match options.what:
        case "show":
            _show(shelf.state(options.study_id), options)
        case "csv":
            print(shelf.csv(options.study_id), end="")
        case "delete":
            shelf.delete(options.study_id)
            print(f"deleted {options.study_id}; its runs are still there")
        case "resume":
            return _drive(options, lambda runner: _resumed(runner, options.study_id))
    return 0


def sweep(options: Namespace) -> int:
    """A study on the spot: one recipe, one or two settings with their values, seeds."""
    vary = dict(_varied(text) for text in options.vary)
    plain = {"name": options.name or f"{options.recipe} sweep"[:60], "recipe": options.recipe, "vary": vary}
    return _start(studies.from_plain(plain, source="the sweep"), options)


def _start(study: Study, options: Namespace) -> int:
    if options.seeds:
        study = studies.from_plain(
            {**studies.to_plain(study), "seeds": options.seeds}, source=f"the study {study.name}"
        )
    study = studies.resolved(study, options.overrides)
    return _drive(options, lambda runner: runner.start_study(study))


def _resumed(runner: Any, study_id: str) -> str:
    runner.resume_study(study_id)
    return study_id


def _drive(options: Namespace, begin: Any) -> int:
    """Begin or go on, wait, and show what came of it."""
    from kdcore.cli import progress
    from kdcore.runner import Runner

    runner = Runner(store(), device=options.device)
    watcher = progress.JsonLines() if options.json else progress.Bar()
    runner.listener = watcher.take
    shelf = Studies(runner.store)
    try:
        study_id = begin(runner)
        done = progress.waited(runner, [place.run_id for place in shelf.state(study_id).places])
        watcher.close([])
        state = shelf.state(study_id)
        _show(state, options)
        if not options.json and state.status != "finished":
            print(
                f"{state.done} of {len(state.places)} runs done. Go on with: python -m kdcore study resume {study_id}"
            )
        return 130 if not done else 0 if state.status == "finished" else 1
    finally:
        watcher.close([])
        runner.close()


def _list(shelf: Studies, options: Namespace) -> int:
    from rich.console import Console
    from rich.table import Column, Table

    states = shelf.states()
    if options.json:
        damaged = [{"id": study_id, "status": "damaged", "damage": why} for study_id, why in shelf.damaged().items()]
        print(json.dumps([*(_brief(state) for state in states), *damaged]))
        return 0
    if states:
        table = Table(
            Column("id", no_wrap=True, min_width=max(len(state.id) for state in states)), "status", "runs done"
        )
        for state in states:
            table.add_row(state.id, state.status, f"{state.done} of {len(state.places)}")
        Console().print(table)
    for study_id, why in shelf.damaged().items():
        print(f"{study_id} is damaged: {why} Delete it: python -m kdcore study delete {study_id}")
    print(f"Studies that come with the project: {', '.join(studies.names())}. Start one: python -m kdcore study NAME")
    return 0


def _show(state: StudyState, options: Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    if options.json:
        print(json.dumps({**_brief(state), "variants": [_row(state, label) for label in state.variants()]}))
        return
    console = Console()
    told = f"{state.id}: {state.status}, {state.done} of {len(state.places)} runs done"
    console.print(told, highlight=False, soft_wrap=True)
    table = Table("variant", "seeds", "student, %", "twin, %", "teacher, %", "student - twin", "seconds")
    said = {}
    for label, summary in state.summaries().items():
        seeds = f"{summary.seeds if summary else 0} of {len(state.study.seeds)}"
        if summary is None:
            table.add_row(label, seeds)
            continue
        top1 = (_percent(summary, network) for network in ("student", "twin", "teacher"))
        gap = _interval(summary.difference, points) if summary.difference else ""
        table.add_row(label, seeds, *top1, gap, f"{state.seconds(label):.0f}")
        said[label] = summary
    console.print(table)
    for label, summary in said.items():
        if summary.difference:
            console.print(f"{label}: {sentence(summary)}", highlight=False)
    other = getattr(options, "against", None) or next(iter(state.variants()))
    for label, lead in state.against(other).items():
        if lead and lead.bounded:
            told = f"{points(lead.mean)} points, between {points(lead.low)} and {points(lead.high)}"
            console.print(f"{label} less {other}, the students seed by seed: {told}", highlight=False)
    if said:
        console.print(covers(next(iter(said.values()))), highlight=False, style="dim")


def _brief(state: StudyState) -> dict[str, Any]:
    return {"id": state.id, "name": state.name, "status": state.status, "done": state.done, "runs": len(state.places)}


def _row(state: StudyState, label: str) -> dict[str, Any]:
    summary = state.summaries()[label]
    row: dict[str, Any] = {"variant": label, "runs": [place.run_id for place in state.variants()[label]]}
    if summary is None:
        return {**row, "seeds": 0}
    plain = {
        network: {metric: _plain(figure) for metric, figure in figures.items()}
        for network, figures in summary.networks.items()
    }
    if summary.difference:
        plain["difference"] = {"top1": _plain(summary.difference)}
    return {**row, "seeds": summary.seeds, "seconds": state.seconds(label), **plain, "sentence": sentence(summary)}


def _plain(figure: Figure) -> dict[str, float]:
    return {"mean": figure.mean} | ({"low": figure.low, "high": figure.high} if figure.bounded else {})


def _percent(summary: Summary, network: str) -> str:
    figures = summary.networks.get(network)
    return _interval(figures["top1"], lambda fraction: f"{100 * fraction:.1f}") if figures else ""


def _interval(figure: Figure, said: Any) -> str:
    return said(figure.mean) + (f"\n{said(figure.low)} to {said(figure.high)}" if figure.bounded else "")


def _varied(text: str) -> tuple[str, list[Any]]:
    """`optimizer.lr=1e-3,2e-3` -> the setting and its values, read as YAML."""
    key, equals, values = text.partition("=")
    if not equals or not values.strip():
        raise RecipeError(f"{shortened(text)} is not KEY=VALUE,VALUE, for example optimizer.lr=1e-3,2e-3.")
    return key.strip(), yaml_text.read(f"[{values}]", source=f"The list of values in {shortened(text)}")
