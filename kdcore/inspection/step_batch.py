"""The batch of a logged step: its images as the networks saw them, with each image's losses and predicted classes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from kdcore.data import loading
from kdcore.data.batches import steps_per_epoch, training_batches
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.files import disk
from kdcore.recipe import DataRecipe
from kdcore.store import RunState, Store
from kdcore.store.run_files import batches
from kdcore.tensors.outputs import Batch

MOST_IMAGES = 128  # of a larger batch, those with the largest losses
NETWORKS = ("student", "twin", "teacher")


@dataclass(frozen=True)
class StepBatch:
    """A logged step's batch, as numpy arrays and plain data.

    step: the recorded step that is nearest to the requested one; of run `run_id`, which may be the parent of a fork.
    count: images in the batch; n of them are given: all, or of a large batch those with the student's largest losses.
    images: uint8 [n, H, W, 3], augmented. labels: [n], -1 where the label is withheld.
    other_labels: [n], of the image that each is mixed with; None where the batch is not mixed. share: of its own label.
    predicted: network -> class [n], in training mode, before the step.
    cross_entropy: network -> [n], nats; NaN without a label. divergence: network -> KL(teacher || network) [n] at temperature 1.
    """

    run_id: str
    step: int
    epoch: float
    count: int
    classes: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    predicted: dict[str, np.ndarray]
    cross_entropy: dict[str, np.ndarray]
    divergence: dict[str, np.ndarray]
    other_labels: np.ndarray | None = None
    share: float = 1.0


def batch_of_step(store: Store, run_id: str, step: int) -> StepBatch:
    """The batch of the logged step nearest to `step`. Takes about a second where the data are not in memory yet.

    Raises:
        UserError: the run did not record its batches, or its data are not here any more.
    """
    run = _owner(store, store.state(run_id), step)
    folder = store.folder(run.id)
    with disk.in_words(folder, then="read it again"):
        record = batches.nearest(folder, step)
    if record is None or not run.steps:
        raise UserError(
            f"The images of step {step:,} cannot be shown: run {run.id} did not record its batches (recordings and runs of earlier "
            "versions have none). Train its recipe again."
        )
    _check(record, run)
    batch = _batch(store, run, record.step)
    indices, labels = batch.indices.numpy(), batch.targets.numpy()
    images = (batch.images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    if len(indices) != record.images or batches.checksum(indices) != record.indices:
        raise UserError(
            f"The images of step {record.step:,} cannot be shown: the data of run {run.id} have changed since it was trained."
        )
    columns = {name: values.astype(np.float32) for name, values in record.columns.items()}
    order = _largest(columns)

    def column(kind: str) -> dict[str, np.ndarray]:
        return {name: columns[f"{name}_{kind}"][order] for name in NETWORKS if f"{name}_{kind}" in columns}

    predicted = {name: values.astype(np.int64) for name, values in column("class").items()}
    return StepBatch(
        run.id, record.step, run.epochs * record.step / run.steps, record.images, run.classes, images[order], labels[order],
        predicted, column("cross_entropy"), column("divergence"),
        None if batch.other_targets is None else batch.other_targets.numpy()[order], batch.share,
    )  # fmt: skip


def _check(record: batches.Record, run: RunState) -> None:
    """Refuse a record that this run cannot have written, as of a file that was changed. Raises UserError."""
    classes = [values for name, values in record.columns.items() if name.endswith("_class")]
    known = all(int(values.max(initial=0)) < len(run.classes) for values in classes)
    whole = {"student_class", "student_cross_entropy"} <= record.columns.keys() and 0 < record.step <= run.steps
    if not (known and whole and 0 < run.epochs <= run.steps):
        raise UserError(
            f"The images of step {record.step:,} cannot be shown: {batches.FILE} of run {run.id} does not belong to it."
        )


def _owner(store: Store, run: RunState, step: int) -> RunState:
    """The run that took a step: of a fork, before its beginning, its parent."""
    seen = {run.id}
    while run.parent and step <= run.forked_at and run.parent not in seen:
        seen.add(run.parent)
        try:
            run = store.state(run.parent)
        except UserError:
            raise UserError(
                f"The images of step {step:,} cannot be shown: it is a step of run {run.parent}, which was deleted."
            ) from None
    return run


def _batch(store: Store, run: RunState, step: int) -> Batch:
    """The batch of a step, made again from the run's seed."""
    recipe = store.recipe(run.id)
    (seed,) = recipe.seeds
    recipe = recipe.of_run()
    split = _train_split(loading.of_views(recipe).model_dump_json())
    per_epoch, size = run.steps // run.epochs, recipe.data.batch_size
    smallest = (
        1 if steps_per_epoch(len(split), size) == per_epoch else len(split) % size + 1
    )  # a last batch that was too small
    return next(training_batches(split, recipe, seed=seed, step=step - 1, per_epoch=per_epoch, smallest=smallest))


@lru_cache(maxsize=2)
def _train_split(data: str) -> Split:
    return loading.load(DataRecipe.model_validate_json(data), "train")


def _largest(columns: dict[str, np.ndarray]) -> np.ndarray:
    """The places of the images that are given, in the order of the batch."""
    losses = np.nan_to_num(columns["student_cross_entropy"], nan=0.0, posinf=np.inf)
    losses = losses + np.nan_to_num(columns.get("student_divergence", np.zeros_like(losses)), nan=0.0, posinf=np.inf)
    return np.sort(np.argsort(-losses, kind="stable")[:MOST_IMAGES])
