"""The data that a network was trained on: its run's, or the dataset with its classes."""

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, references
from kdcore.store.runs import Store


def data_of(reference: str, classes: tuple[str, ...], store: Store) -> DataRecipe:
    """The data that a network was trained on: its run's, or the dataset with its classes. Raises UserError."""
    if isinstance(source := references.parse(reference), references.RunNetwork):
        return store.recipe(source.run_id).of_run().data
    if (found := datasets.with_classes(classes)) and found.only is None:
        return found
    raise UserError(f"{reference} has the classes of no known dataset: {', '.join(classes[:5])}, ...")
