"""The networks of a study on its test sets, and the report: `study evaluate`, `study report`, and the end of such a study."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kdcore.cli.options import Sets, StudyId, store
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.recipe.study import TestSets
from kdcore.results import json_text
from kdcore.runtime import cores
from kdcore.store import Studies, StudyState

if TYPE_CHECKING:
    from kdcore.robustness.report import Evaluated

Images = Annotated[int | None, Parameter(help="How many test images. Default: the study's, else all, up to 10,000.")]
Out = Annotated[Path | None, Parameter(help="Folder for the report. Default: beside the study, in the folder of runs.")]


def evaluate(study_id: StudyId, /, *, sets: Sets = None, images: Images = None, out: Out = None) -> int:
    """Evaluate the networks of a study on test sets, and write the report. Continues after an interruption."""
    state = Studies(store()).state(study_id)
    written(state, wanted(state, sets, images), out)
    return 0


def report(study_id: StudyId, /, *, sets: Sets = None, images: Images = None, out: Out = None) -> int:
    """Write the report of a study from what has been evaluated: HTML with charts, Markdown, CSV."""
    from kdcore.robustness import report as reports

    state = Studies(store()).state(study_id)
    found = reports.kept(state, store(), wanted(state, sets, images))
    if not found.directions:
        raise UserError(f"The networks of this study are not evaluated yet: python -m kdcore study evaluate {study_id}")
    _write(found, out)
    if found.missing:
        print(
            f"{len(found.missing)} of {len(found.conditions)} test sets are missing. Compute them: "
            f"python -m kdcore study evaluate {study_id}"
        )
    return 0


def after_runs(state: StudyState, as_json: bool) -> None:
    """Evaluate a finished study on its test sets and write its report."""
    try:
        written(state, None, None, quiet=as_json)
    except KeyboardInterrupt:
        if not as_json:
            print(f"Continue with: python -m kdcore study evaluate {state.id}")
        raise
    if as_json:
        print(json_text.text({"study": state.id, "report": str(Studies(store()).report_folder(state.id))}))


def refuse_unknown(test_sets: TestSets | None) -> None:
    """Raises UserError at an unknown test set, before the runs start."""
    if test_sets is not None and not isinstance(test_sets.sets, str):
        from kdcore.robustness import report as reports  # takes seconds

        reports.refuse_unknown(test_sets)


def wanted(state: StudyState, sets: list[str] | None, images: int | None) -> TestSets:
    """The study's test sets with the changes of the command line. Raises UserError where these do not fit."""
    plain = (state.study.test_sets or TestSets()).model_dump(mode="json")
    if sets is not None:
        plain["sets"] = sets[0] if sets[0] in ("quick", "usual", "full", "corruptions") and len(sets) == 1 else sets
    if images is not None:
        plain["images"] = images
    chosen = studies.from_plain({"recipe": "quick", "test_sets": plain}, source="These test sets").test_sets
    assert chosen is not None
    refuse_unknown(chosen)
    return chosen


def written(state: StudyState, chosen: TestSets | None, out: Path | None, *, quiet: bool = False) -> None:
    """Evaluate what is missing, behind a progress bar, and write the report."""

    import torch

    from kdcore.cli.progress import bar
    from kdcore.robustness import report as reports

    torch.set_num_threads(cores.threads())
    found = None
    with bar() as show:
        for each in reports.evaluate(state, store(), chosen):
            if isinstance(each, reports.Evaluated):
                found = each
            elif not quiet:
                show(each.done, each.total, each.seconds_left, each.message or str(each.condition))
    assert found is not None, "the last that is given"
    _write(found, out, say=(lambda text: None) if quiet else print)


def _write(found: "Evaluated", out: Path | None, say: Callable[[str], None] = print) -> None:
    from kdcore.robustness import report as reports

    assert found.state is not None, "they are of a study"
    folder = out or Studies(store()).report_folder(found.state.id)
    first, *others = reports.write(reports.findings(found), folder)
    tables = ", ".join(path.name for path in others if path.parent == folder)
    say(f"written: {first}; beside it {tables} and pictures")
