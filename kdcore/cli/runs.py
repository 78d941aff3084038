"""`runs`: list, show, resume, fork, export, import, report on, and delete runs."""

import sys
from dataclasses import asdict
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from kdcore.cli import progress, run_files, run_tables
from kdcore.cli.options import EventFolder, Json, JsonEvents, Overrides, RunId, set_title, store
from kdcore.errors import UserError, shortened
from kdcore.recipe import changing
from kdcore.results import json_text, predictions
from kdcore.results.comparison import sentence, summarise, with_interval
from kdcore.store import RunState, dependants
from kdcore.store.evidence import diagnoses, what_else
from kdcore.store.lists import finding, naming

SUMMARY = (
    "id", "name", "status", "step", "steps", "epoch", "epochs", "device", "latest", "results", "reason", "parameters",
    "damage",
)  # fmt: skip

Yes = Annotated[bool, Parameter(name="--yes", help="Delete without asking.", show_default=False)]

Words = Annotated[
    str,
    Parameter(name="--find", metavar="WORDS", help="Words in a run's name, id, note, tags or settings: kd.weight=0.9."),
]
Tags = Annotated[list[str] | None, Parameter(help="Only runs with this tag. Repeat for more.")]
Statuses = Annotated[list[str] | None, Parameter(help="Only runs with this status, such as finished. Repeat for more.")]
Archived = Annotated[bool, Parameter(show_default=False, negative="", help="Also archived runs.")]

app = App(
    name="runs",
    help_epilogue="""Examples:

  python -m kdcore runs                     all runs of this machine
  python -m kdcore runs list --find kd.weight=0.9 --tag talk    some of them
  python -m kdcore runs edit ID --name "the good one" --tag talk --pin
  python -m kdcore runs resume ID           continue from the last checkpoint
  python -m kdcore runs fork ID --set terms.0.weight=0.2    go on from its state with another weight
  python -m kdcore runs fork ID --set epochs=15 --schedules continued    train a finished run for longer
  python -m kdcore runs csv ID > run.csv    losses and metrics by step
  python -m kdcore runs parquet ID ID2 --out runs.parquet    the same of several runs
  python -m kdcore runs latex ID ID2        results with intervals as a LaTeX table
  python -m kdcore runs tensorboard ID logs   curves as TensorBoard event files
  python -m kdcore runs recipe ID --with-changes > repeat.yaml    the recipe with what was changed during the run
  python -m kdcore runs classes ID          accuracy by class, as CSV
  python -m kdcore runs report ID --out run.html    one page with curves and maps, which opens without the app
  python -m kdcore runs export ID run.zip   the run as a file, for `runs import` on another machine
  python -m kdcore runs delete ID --yes     delete without asking""",
)

app.command(run_files.export_run, name="export")
app.command(run_files.import_run, name="import")
app.command(run_files.report, name="report")
app.command(run_tables.csv)
app.command(run_tables.parquet)
app.command(run_tables.latex)
app.command(run_tables.tensorboard)


@app.command(name="list")
@app.default
def list_runs(
    *, find: Words = "", tag: Tags = None, status: Statuses = None, archived: Archived = False, as_json: Json = False
) -> int:
    """List the runs, pinned ones first. Archived runs are left out.

    With --find, each word must occur in a run's name, id, note, tags or settings.
    """
    runs = store()
    known = runs.states()
    there = sorted({state.status for state in known})
    if known and (unknown := [each for each in status or () if each not in there]):
        raise UserError(f"No run has the status {shortened(unknown[0])}; the runs here are {', '.join(there)}.")
    fields = {"tag": tag or [], "status": status or []}
    wanted = finding.Wanted(find, fields, archived="show" if archived else "hide")
    states, names = finding.find(known, wanted), naming.of(known)
    if as_json:
        print(json_text.text([summary(state) for state in states]))
        return 0
    console = Console(markup=False)
    if states:
        found = table(states, names)
        whole = Measurement.get(console, console.options.update(max_width=1000), found).maximum
        console.width = max(console.width, whole)  # other commands need the whole id
        console.print(found)
    elif known and wanted.all:
        print(f"All {len(known):,} runs are archived. List them: python -m kdcore runs list --archived")
    elif known:
        print(f"None of {len(known):,} runs matches. Leave out options, or add --archived.")
    else:
        console.print(f"No runs in {runs.root} yet. Start one: python -m kdcore distill quick")
    for state in states:
        if state.damage:
            remedy = "" if state.recorded else f" Delete it: python -m kdcore runs delete {state.id}"
            message = f"{state.id} is damaged: {state.damage}{remedy}"
            console.print(message, highlight=False, soft_wrap=True)
    return 0


@app.command
def edit(
    run_id: RunId,
    /,
    *more: RunId,
    name: Annotated[str | None, Parameter(help="Another name for one run; an empty one restores the recipe's.")] = None,
    note: Annotated[str | None, Parameter(help="A note of up to 2,000 characters; an empty one removes it.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="Add a tag. Repeat for more.")] = None,
    untag: Annotated[list[str] | None, Parameter(help="Remove a tag. Repeat for more.")] = None,
    pin: Annotated[bool | None, Parameter(negative="--unpin", help="First in the list.")] = None,
    archive: Annotated[
        bool | None, Parameter(negative="--unarchive", help="Hidden from the list; nothing is deleted.")
    ] = None,
) -> int:
    """Name, tag, pin or archive runs, and write a note: beside the run, not into its recipe or events."""
    runs, ids = store(), list(dict.fromkeys([run_id, *more]))
    if not any(change is not None for change in (name, note, tag, untag, pin, archive)):
        raise UserError("Nothing to change: give --name, --note, --tag, --untag, --pin or --archive.")
    if name and len(ids) > 1:
        raise UserError(f"--name is for one run, not for {len(ids)}: they could not be told apart.")
    for each in ids:
        runs.folder(each)  # all of them are there, or none is changed
    for each in ids:
        label = runs.edit_label(
            each, name=name, note=note, add_tags=tag or (), remove_tags=untag or (), pinned=pin, archived=archive
        )
        words = [f"name {label.name}"] if label.name else []
        words += [f"tags {', '.join(label.tags)}"] if label.tags else []
        words += ["a note"] if label.note else []
        words += [word for word, on in (("pinned", label.pinned), ("archived", label.archived)) if on]
        print(f"{each}: {', '.join(words) or 'nothing'}")
    return 0


@app.command
def show(run_id: RunId, /, *, as_json: Json = False) -> int:
    """Show a run: status, progress, results, conclusion, what else passed on, warnings, diagnoses and what it was computed with, as JSON."""
    runs = store()
    state = runs.state(run_id)
    found = [asdict(diagnosis) for diagnosis in diagnoses(runs, run_id)]
    print(
        json_text.text(
            {
                **summary(state),
                "passed_on": what_else(runs, run_id, set_title),
                "warnings": state.warnings,
                "diagnoses": found,
                "environment": runs.environment(run_id),
            },
            indent=None if as_json else 2,
        )
    )
    return 0


@app.command
def classes(run_id: RunId, /, *, as_json: Json = False) -> int:
    """Print a finished run's accuracy by class as CSV; with --json also each network's confusion matrix."""
    runs = store()
    state, predicted = runs.state(run_id), runs.test_predictions(run_id)
    if predicted is None:
        why = "was made by an earlier version, which did not store them" if state.results else f"is {state.status}"
        raise UserError(
            f"Run {run_id} has no predictions of test images: it {why}. Train its recipe to the end: python -m kdcore runs "
            f"recipe {run_id} > recipe.yaml, then python -m kdcore distill recipe.yaml"
        )
    rows = predictions.by_class(predicted, state.classes)
    if not as_json:
        print(predictions.as_csv(rows), end="")
        return 0
    matrices = {
        name: predictions.confusion(predicted["targets"], values, len(state.classes)).tolist()
        for name, values in predicted.items()
        if name != "targets"
    }
    plain = [{**asdict(row), "gain": row.gain} for row in rows]
    print(json_text.text({"run": run_id, "classes": state.classes, "by_class": plain, "confusion": matrices}))
    return 0


@app.command
def resume(run_id: RunId, /, *, tensorboard: EventFolder = None, as_json: JsonEvents = False) -> int:
    """Continue a stopped, failed or interrupted run from its last checkpoint."""
    with progress.running(as_json=as_json, tensorboard=tensorboard) as (runner, watcher):
        runner.resume(run_id)
        return progress.follow(runner, [run_id], watcher)


@app.command
def fork(
    run_id: RunId,
    /,
    *,
    overrides: Overrides = None,
    step: Annotated[int | None, Parameter(help="Step of the checkpoint to start from. Default: the newest.")] = None,
    schedules: Annotated[
        Literal["stretched", "continued"],
        Parameter(help="With another length: schedules of the new length, or as before and then their last value."),
    ] = "stretched",
    add: Annotated[
        list[str] | None,
        Parameter(metavar="TERM", help='Add a term, such as "{method: sp, weight: 1}". Repeat for more.'),
    ] = None,
    remove: Annotated[
        list[str] | None, Parameter(metavar="NAME", help="Remove a term (its weight becomes 0). Repeat for more.")
    ] = None,
    tensorboard: EventFolder = None,
    as_json: JsonEvents = False,
) -> int:
    """Start a run from the exact state of another one, with other weights, temperatures, learning rate, terms or length.

    The other run stays as it is. With --set epochs=N, a run that has finished goes on. Linear and cosine schedules are stretched
    to the new length; with --schedules continued they stay as they were up to the old end, and their last value goes on.
    """
    changes = changing.values_of(overrides or [], option="--set")
    terms = [changing.term_of(text, option="--add") for text in add or []]
    with progress.running(as_json=as_json, tensorboard=tensorboard) as (runner, watcher):
        child = runner.fork(run_id, changes, step=step, schedules=schedules, add=terms, remove=remove or [])
        return progress.follow(runner, [child], watcher)


@app.command
def recipe(
    run_id: RunId,
    /,
    *,
    with_changes: Annotated[
        bool, Parameter(show_default=False, negative="", help="With what users changed during the run, as schedules.")
    ] = False,
) -> int:
    """Print the recipe of a run as YAML."""
    runs = store()
    found = runs.state(run_id).recipe_with_changes(runs.recipe(run_id)) if with_changes else runs.recipe(run_id)
    print(found.to_full_yaml(), end="")
    return 0


@app.command
def delete(run_id: RunId, /, *more: RunId, yes: Yes = False) -> int:
    """Delete runs with their checkpoints. This cannot be undone.

    A terminal is asked first. A script is not, unless other runs or studies use the weights: then it needs --yes.
    """
    runs, ids = store(), list(dict.fromkeys([run_id, *more]))
    for each in ids:
        runs.folder(each)  # all of them are there, or none is deleted
    if not yes:
        _confirm(ids, dependants.warning(runs, ids))
    for each in ids:
        runs.delete(each)
        print(f"deleted {each}")
    return 0


def _confirm(ids: list[str], used: str) -> None:
    """Ask on a terminal. Raises UserError where the answer is no, or where it cannot be asked and the weights are used."""
    what = f"run {ids[0]}" if len(ids) == 1 else f"{len(ids)} runs"
    if sys.stdin is None or not sys.stdin.isatty():
        if used:
            raise UserError(f"Deleting {what} needs --yes: {used}")
        return
    print(f"{used} " if used else "", end="", file=sys.stderr)
    print(f"Delete {what}? This cannot be undone. [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was deleted.")


def summary(state: RunState) -> dict[str, Any]:
    """What of a run's state is printed as JSON."""
    words = sentence(summarise([state.outcome])) if "student" in state.results else ""
    shown = {key: getattr(state, key) for key in SUMMARY} | {
        "results": with_interval(state.outcome),
        "conclusion": words,
    }
    return shown | {"original_name": state.original_name, **_label(state)}


def _label(state: RunState) -> dict[str, Any]:
    label = asdict(state.label)
    return {key: label[key] for key in ("tags", "note", "pinned", "archived")}


def table(states: list[RunState], names: dict[str, str]) -> Table:
    """A row per run: its accuracies on the test images, or the latest on validation images."""
    found = Table("id", "name", "status", "student", "twin", "teacher", "epoch", box=None, pad_edge=False)
    for state in states:
        figures = state.results or state.latest
        accuracies = (_percent(figures.get(network)) for network in ("student", "twin", "teacher"))
        found.add_row(state.id, names[state.id], state.status, *accuracies, f"{state.epoch:.1f} / {state.epochs}")
    return found


def _percent(figures: dict[str, float] | None) -> str:
    return f"{100 * figures['top1']:.1f} %" if figures else ""
