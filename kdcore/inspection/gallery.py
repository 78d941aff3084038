"""Maps of two networks over a test split: references and plain data in, numpy out."""

from collections.abc import Iterator

import numpy as np

from kdcore import models
from kdcore.data import datasets, loading
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.explain.quality.randomization import untrained
from kdcore.explain.quality.survey import OUTCOMES, ClassRow, NetworkMaps, Survey, by_class, ranked, survey
from kdcore.inspection import soft_labels
from kdcore.inspection.model_cache import torch_threads
from kdcore.models import Tapped
from kdcore.paths import data_folder
from kdcore.runtime import cores
from kdcore.store import Store
from kdcore.store.trained_on import data_of

__all__ = ["OUTCOMES", "ClassRow", "NetworkMaps", "Survey", "by_class", "look_through", "picture", "ranked"]


def look_through(
    teacher: str,
    student: str,
    store: Store,
    *,
    map_name: str | None = None,
    at_most: int = 300,
    threads: int | None = None,
) -> Iterator[Survey]:
    """Both networks on test images of the student's data; yields all results so far after every batch.

    Args:
        teacher, student: references as `models.load` takes them.
        map_name: the map of both; None for each network's own.
        at_most: images; drawn or read in this number where the data allows it.
        threads: torch's; unless given, one core is left to a run.

    Raises:
        UserError: no such network, missing data, or a map that one of them does not have.
    """
    teacher_model, student_model = (
        models.load(reference, runs=store).eval().requires_grad_(False) for reference in (teacher, student)
    )
    split = _images(student, student_model, store, at_most)
    steps = survey(teacher_model, student_model, split, map_name, untrained=untrained(student_model), at_most=at_most)
    for _ in range(len(split)):  # the steps end sooner
        with torch_threads(threads or cores.beside_pages()):
            found = next(steps, None)
        if found is None:
            return
        yield found


def picture(student: str, store: Store, place: int, *, at_most: int) -> np.ndarray:
    """One of those images in the network's own size: uint8 [S, S, 3]. `at_most` as in `look_through`."""
    split = _images(student, models.load(student, runs=store), store, at_most)
    return np.ascontiguousarray(split.images[place].permute(1, 2, 0).numpy())


def _images(student: str, model: Tapped, store: Store, at_most: int) -> Split:
    described = data_of(student, model.classes, store).model_copy(update={"image_size": model.image_size})
    if not soft_labels.available(described):
        raise UserError(
            f"The test images of {described.name} are not in {data_folder()}: a run with this data fetches them, and KD_DATA "
            f"names another folder. Networks for {', '.join(datasets.names('drawn'))} need no download."
        )
    return loading.load(described, "test", at_most=at_most)
