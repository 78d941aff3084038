"""The network to export: found by its reference, with the data that it is measured on and calibrated with."""

from dataclasses import dataclass

from kdcore import models
from kdcore import recipe as recipes
from kdcore.data import datasets, loading
from kdcore.errors import UserError
from kdcore.inspection import run_plugins
from kdcore.models import Tapped
from kdcore.models.fitting import Report
from kdcore.recipe import DataRecipe, Recipe, references
from kdcore.store import ACTIVE, RunState, Store

UNKNOWN_DATA = (
    "no built-in dataset has these classes (python -m kdcore evaluate measures it on --data folder --path FOLDER)."
)


@dataclass(frozen=True)
class Chosen:
    """A network to export.

    reference: complete, such as `run:ID/student`.
    name: student, twin or teacher; of a bundled model or a file its own.
    network: on the CPU, in eval mode, without gradients.
    data: whose images it is measured on and calibrated with; None where that is not known, and `why` then has the reason.
    run, recipe: of a network of a run.
    """

    reference: str
    name: str
    network: Tapped
    data: DataRecipe | None = None
    why: str = ""
    run: RunState | None = None
    recipe: Recipe | None = None


def complete(reference: str, store: Store) -> str:
    """A run's id alone means its student."""
    run_id = reference.removeprefix(references.RUN)
    return f"{references.RUN}{run_id}/student" if run_id in store.ids() else reference


def chosen(
    reference: str, store: Store, *, data: DataRecipe | None = None, report: Report = lambda text: None
) -> Chosen:
    """The network behind a reference: `run:ID/student`, the id of a run, a bundled model or a .safetensors file.

    Args:
        data: what it is measured on, where that is not the run's data or the dataset with the network's classes.

    Raises:
        UserError: there is no such network, its run has not ended, or the data have other classes.
    """
    reference = complete(reference, store)
    source = models.resolved(reference, store)
    state = recipe = None
    if isinstance(source, references.RunNetwork):
        state = store.state(source.run_id)
        if state.status in ACTIVE:
            raise UserError(f"Run {source.run_id} is {state.status}. Export it when it has ended.")
        recipe = store.recipe(source.run_id).of_run()
        for entry in store.environment(source.run_id)[-1:]:
            run_plugins.check(entry.get("plugin"))
    network = models.load(reference, runs=store, report=report).eval().requires_grad_(False)
    name = source.network if isinstance(source, references.RunNetwork) else reference.rpartition("/")[2]
    given = data is not None
    if data is None:
        data = recipe.data if recipe else _built_in(network)
    if data is None:
        return Chosen(reference, name, network, None, UNKNOWN_DATA)
    data = data.model_copy(update={"image_size": network.image_size})
    if why := _other_classes(network, data):
        if given:
            raise UserError(f"{reference} {why}")
        return Chosen(reference, name, network, None, why, state, recipe)
    return Chosen(reference, name, network, data, "", state, recipe)


def named_data(name: str | None, path: str | None) -> DataRecipe | None:
    """The data that a command line names; None where it names none. Raises UserError where there is no such dataset."""
    if name is None and path is None:
        return None
    plain = {"data": {"name": name or "folder", "path": path}, "student": {"model": "resnet20"}}
    return recipes.from_plain(plain, source="the command line").data


def _built_in(network: Tapped) -> DataRecipe | None:
    found = datasets.with_classes(network.classes)
    return DataRecipe(name=found.name, only=found.only, image_size=network.image_size) if found else None


def _other_classes(network: Tapped, data: DataRecipe) -> str:
    try:
        known = loading.classes(data)
    except UserError as error:
        return f"was not measured: {error}"
    if network.classes == known:
        return ""
    return f"predicts other classes ({len(network.classes)}) than the data has ({len(known)})."
