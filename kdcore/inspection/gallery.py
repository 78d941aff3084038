"""The one door for pages to look through a test split with two networks: references and plain data in, numpy out."""

import os
from collections.abc import Iterator

import numpy as np

from kdcore import models
from kdcore.data import datasets, loading
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.explain.quality.randomization import untrained
from kdcore.explain.quality.survey import Survey, survey
from kdcore.inspection import soft_labels
from kdcore.inspection.inspector import torch_threads
from kdcore.models import Tapped
from kdcore.paths import data_folder
from kdcore.store import Store


def look_through(
    teacher: str,
    student: str,
    store: Store,
    *,
    method: str | None = None,
    at_most: int = 300,
    threads: int | None = None,
) -> Iterator[Survey]:
    """Both networks on test images of the student's data; yields all that is known after every batch.

    Args:
        teacher, student: references as `models.load` takes them.
        method: the map of both; None for each network's own.
        at_most: images; drawn or read in this number where the data allows it.
        threads: torch's; one core is left to a run unless said.

    Raises:
        ValueError: no such network, data that is not here, a map that one of them cannot have; in plain words.
    """
    theirs, ours = (models.load(reference, runs=store).eval().requires_grad_(False) for reference in (teacher, student))
    split = _images(student, ours, store, at_most)
    steps = survey(theirs, ours, split, method, untrained=untrained(ours), at_most=at_most)
    for _ in range(len(split)):  # the steps end sooner
        with torch_threads(threads or max(1, (os.cpu_count() or 1) - 1)):
            found = next(steps, None)
        if found is None:
            return
        yield found


def picture(student: str, store: Store, place: int, *, at_most: int) -> np.ndarray:
    """One of those images in the network's own size: uint8 [S, S, 3]. `at_most` as it was looked through."""
    split = _images(student, models.load(student, runs=store), store, at_most)
    return np.ascontiguousarray(split.images[place].permute(1, 2, 0).numpy())


def _images(student: str, model: Tapped, store: Store, at_most: int) -> Split:
    described = soft_labels.data_of(student, model.classes, store).model_copy(update={"image_size": model.image_size})
    if not soft_labels.at_hand(described):
        raise UserError(
            f"The test images of {described.name} are not in {data_folder()}: a run with this data fetches them, and KD_DATA "
            f"names another folder. Networks for {', '.join(datasets.names('drawn'))} need no download."
        )
    return loading.load(described, "test", at_most=at_most)
