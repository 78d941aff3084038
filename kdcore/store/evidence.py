"""Diagnoses of a stored run: its results, predictions and series, handed to `results.diagnoses`; and of a study's runs."""

from collections.abc import Callable, Iterable, Sequence

from kdcore.recipe import RecipeError
from kdcore.results.bias import of_run
from kdcore.results.bias.sentences import what_else_passed_on
from kdcore.results.bias.transfer import judged
from kdcore.results.diagnoses import Diagnosis, Evidence, diagnose
from kdcore.results.diagnoses.length import NEEDS
from kdcore.store.runs import Store
from kdcore.store.state import RunState
from kdcore.store.studies import StudyState

Faults = dict[str, list[int]]  # fault -> the seeds whose run has it


def diagnoses(store: Store, run_id: str) -> tuple[Diagnosis, ...]:
    """What is wrong with a finished run, as far as its numbers show it; empty where nothing is, or it has no results.

    Raises:
        UserError: there is no such run.
    """
    state = store.state(run_id)
    if not state.results:
        return ()
    try:
        recipe = store.recipe(run_id)
    except RecipeError:  # the run's folder is damaged, which is reported elsewhere
        return ()
    return diagnose(
        Evidence(
            recipe=recipe,
            results=state.results,
            classes=state.classes,
            predictions=store.test_predictions(run_id),
            series=store.series(run_id),
            validation={**state.latest, "teacher": state.teacher},
            labelled_images=state.labelled_images,
            gradients=state.gradients[-1] if state.gradients else {},
            changes=state.knob_changes,
        )
    )


def warnings(store: Store, run_id: str) -> tuple[str, ...]:
    """The warnings of a run, without that of too few steps where a diagnosis says what became of it.

    Raises:
        UserError: there is no such run.
    """
    found = store.state(run_id).warnings
    if any(NEEDS in text for text in found) and any(NEEDS in each.remedy for each in diagnoses(store, run_id)):
        return tuple(text for text in found if NEEDS not in text)
    return tuple(found)


def what_else(store: Store, run_id: str, title_of: Callable[[str], str]) -> str:
    """One line on what passed on besides accuracy in a finished run with a twin and a teacher; empty for others.

    Args:
        title_of: a perturbed test set in words, from its text, as `robustness.conditions.title_of`.

    Raises:
        UserError: there is no such run.
    """
    state = store.state(run_id)
    if not {"student", "twin", "teacher"} <= state.results.keys():
        return ""
    predictions = store.test_predictions(run_id)
    read = of_run.of_predictions(predictions) if predictions is not None else []
    if state.robustness:
        read += of_run.of_counts(state.robustness[-1], title_of)
    if not read:
        return ""
    turned = state.outcome.turned
    return what_else_passed_on(
        judged(read, refusal=f"a user changed settings during the run ({', '.join(turned)})" if turned else "")
    )


def faults(store: Store, run_id: str) -> tuple[str, ...]:
    """The kinds of a run's diagnoses, without those that are notes."""
    return tuple(diagnosis.kind for diagnosis in diagnoses(store, run_id) if not diagnosis.note)


def by_seed(runs: Iterable[tuple[int, RunState]], faults_of: Callable[[RunState], Sequence[str]]) -> Faults:
    """The faults of finished runs that differ in their seed alone."""
    found: Faults = {}
    for seed, run in runs:
        if run.status == "finished":
            for kind in faults_of(run):
                found.setdefault(kind, []).append(seed)
    return found


def by_variant(state: StudyState, faults_of: Callable[[RunState], Sequence[str]]) -> dict[str, Faults]:
    """The faults of a study's finished runs, for the variants that have any."""
    found = {
        label: by_seed([(place.point.seed, place.run) for place in places if place.run], faults_of)
        for label, places in state.variants().items()
    }
    return {label: faults for label, faults in found.items() if faults}


def in_words(found: Faults) -> str:
    """`at chance (seeds 0, 1); diverged (seed 2)`."""
    return "; ".join(
        f"{kind} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})" for kind, seeds in found.items()
    )
