"""Diagnoses of a stored run: its results, predictions and series, handed to `results.diagnoses`."""

from kdcore.recipe import RecipeError
from kdcore.results.diagnoses import Diagnosis, Evidence, diagnose
from kdcore.store.runs import Store


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
