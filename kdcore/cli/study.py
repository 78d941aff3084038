"""`study`: variants of a recipe over several seeds; start, list, show, resume and delete studies."""

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING

from cyclopts import App
from rich.console import Console
from rich.table import Column, Table

from kdcore.checks import preflight
from kdcore.cli import progress, study_report, study_results, where
from kdcore.cli.options import Against, Json, Overrides, Seeds, StudyId, store
from kdcore.cli.where import Where
from kdcore.errors import UserError, shortened
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from kdcore.results import json_text
from kdcore.store import Studies

if TYPE_CHECKING:
    from kdcore.cluster.ray_runs import RayRuns
    from kdcore.runner import Runner

HERE = Where()

app = App(
    name="study",
    help_epilogue="""Examples:

  python -m kdcore study temperature        a study from assets/studies
  python -m kdcore study my.yaml --seeds 0 1 2 --set epochs=5
  python -m kdcore study show ID --against "lr 0.002"
  python -m kdcore study resume ID          continue after an interruption
  python -m kdcore study temperature --on ray --address auto    on a cluster
  python -m kdcore study bias-small         what passes on, on every test set, with a report
  python -m kdcore study report ID --out FOLDER""",
)
app.command(study_report.evaluate)
app.command(study_report.report)


@app.default
def start(
    study: str,
    /,
    *,
    overrides: Overrides = None,
    seeds: Seeds = None,
    against: Against = None,
    at: Where = HERE,
) -> int:
    """Compare variants of a recipe over several seeds.

    Args:
        study: Name of a study (assets/studies) or path of a YAML file.
    """
    return begin(_named(study), overrides, seeds, against, at)


@app.command(name="list")
def list_studies(*, as_json: Json = False) -> int:
    """List the studies that were started, and those of the project."""
    known = Studies(store())
    states = known.states()
    if as_json:
        damaged = [{"id": study_id, "status": "damaged", "damage": why} for study_id, why in known.damaged().items()]
        print(json_text.text([*(study_results.brief(state) for state in states), *damaged]))
        return 0
    if states:
        widest = max(len(state.id) for state in states)
        table = Table(Column("id", no_wrap=True, min_width=widest), "status", "runs finished")
        for state in states:
            table.add_row(state.id, state.status, f"{state.done} of {state.total}")
        Console(markup=False).print(table)
    for study_id, why in known.damaged().items():
        print(f"{study_id} is damaged: {why} Delete it: python -m kdcore study delete {study_id}")
    print(f"Studies of the project: {', '.join(studies.names())}. Start one: python -m kdcore study NAME")
    return 0


@app.command
def show(study_id: StudyId, /, *, against: Against = None, as_json: Json = False) -> int:
    """Show the results of a study."""
    study_results.show(Studies(store()).state(study_id), against, as_json)
    return 0


@app.command
def resume(
    study_id: StudyId,
    /,
    *,
    against: Against = None,
    at: Where = HERE,
) -> int:
    """Continue a study: start what is missing, resume what was interrupted."""

    def resumed(runs: "Runner | RayRuns") -> str:
        if not Studies(runs.store).state(study_id).searching:
            runs.resume_study(study_id)
        return study_id

    return drive(resumed, against, at)


@app.command
def csv(study_id: StudyId, /) -> int:
    """Print a row per run as CSV."""
    print(Studies(store()).csv(study_id), end="")
    return 0


@app.command
def delete(study_id: StudyId, /) -> int:
    """Delete a study. Its runs are kept."""
    Studies(store()).delete(study_id)
    print(f"deleted {study_id}; its runs are kept")
    return 0


def _named(name: str) -> Study:
    """A study by name or path. Raises UserError with the nearest study or subcommand."""
    try:
        return studies.named(name)
    except UserError:
        actions = [action for action in app if not action.startswith("-")]
        near = difflib.get_close_matches(name[:80], [*actions, *studies.names()], n=1)
        if near and near[0] in actions:
            raise UserError(f"There is no study {shortened(name)}. Did you mean `study {near[0]}`?") from None
        raise


def begin(
    study: Study,
    overrides: list[str] | None,
    seeds: list[int] | None,
    against: str | None,
    at: Where = HERE,
) -> int:
    """Start a study with changed settings and follow it. Returns the exit status."""
    at.check()
    if seeds:
        study = studies.from_plain({**studies.to_plain(study), "seeds": seeds}, source=f"the study {study.name}")
    study = studies.resolved(study, overrides or [])
    study_report.refuse_unknown(study.test_sets)
    # what is known without torch, which takes seconds to load; the runner checks the rest
    studies.check(study, lambda recipe: preflight.check(recipe, store()))
    if not study.searches:
        return drive(lambda runs: runs.start_study(study), against, at)

    def searching(runs: "Runner | RayRuns") -> str:
        from kdcore.cluster import search

        studies.check(study, runs.check)
        return search.start(runs, study)

    return drive(searching, against, at)


def drive(
    begun: "Callable[[Runner | RayRuns], str]",
    against: str | None,
    at: Where = HERE,
) -> int:
    """Start or resume a study, wait for its runs and show the results. Returns the exit status.

    Args:
        begun: starts the study in what trains it, and returns its id.
    """
    with where.running(at) as runs:
        known = Studies(runs.store)
        study_id = begun(runs)
        with where.shown(at, study_id) as look:
            uninterrupted = _searched(runs, study_id, look) and progress.waited(
                runs, [place.run_id for place in known.state(study_id).places], look
            )
        runs.close()
    state = known.state(study_id)
    study_results.show(state, against, at.as_json)
    if not at.as_json and state.status != "finished":
        finished = f"{state.done} of {state.total} runs finished"
        print(f"{finished}. Continue with: python -m kdcore study resume {study_id}")
    if state.status == "finished" and state.study.test_sets is not None:
        study_report.after_runs(state, at.as_json)
    return 130 if not uninterrupted else 0 if state.status == "finished" else 1


def _searched(runs: "Runner | RayRuns", study_id: str, look: Callable[[], None]) -> bool:
    """Run a search to its end; of other studies, nothing. False after Ctrl-C or SIGTERM, which stop its runs with a checkpoint.

    Args:
        look: called every moment.
    """
    if not Studies(runs.store).state(study_id).searching:
        return True
    from kdcore.cluster import search

    with progress.sigterm_as_interrupt():
        try:
            search.proceed(runs, study_id, meanwhile=look)
        except KeyboardInterrupt:
            progress.stopped(runs)
            return False
    return True
