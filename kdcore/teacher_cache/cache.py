"""A teacher with a cache: outputs are read from disk where they are there, and computed otherwise."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from kdcore import methods
from kdcore.data.split import Split
from kdcore.events import Noted
from kdcore.methods.base import Method
from kdcore.models.teacher import Teacher
from kdcore.recipe import Recipe, RecipeError
from kdcore.teacher_cache import entries
from kdcore.teacher_cache.key import key, name
from kdcore.teacher_cache.packing import OutputRows
from kdcore.teacher_cache.view import View
from kdcore.tensors.outputs import Batch, Outputs

ON_GPU = 0.25  # largest share of its free memory for rows


def check(recipe: Recipe) -> None:
    """Refuse to cache outputs that depend on more than the image and its view.

    Raises:
        RecipeError: images are mixed, or a term uses further views; the message states how to fix it.
    """
    if recipe.kept_views and recipe.data.mixed:
        raise RecipeError(
            f"`teacher.cache_views` is {recipe.kept_views}, but every batch is mixed anew (data.mixup, data.cutmix), so that no "
            "output of the teacher occurs twice: set teacher.cache_views=0, or data.mixup=0 and data.cutmix=0."
        )
    for term in recipe.terms if recipe.kept_views else ():
        if methods.get(term.method).has_views:
            raise RecipeError(
                f"`teacher.cache_views` is {recipe.kept_views}, but the term {term.label!r} runs the teacher on further "
                "views of every batch, which are not cached: set teacher.cache_views=0, or remove the term."
            )


class TeacherCache:
    """A teacher's outputs for a batch, from disk where they are cached.

    The numbers are the same whether they come from disk or from the teacher, as new ones are rounded in the same way: a run
    does not depend on what other runs have cached.
    """

    def __init__(self, teacher: Teacher, terms: Sequence[Method], split: Split, recipe: Recipe) -> None:
        self._teacher, self._terms, self._split, self._recipe = teacher, terms, split, recipe
        self._views: list[View] = []
        self._on_gpu: dict[int, Tensor] = {}
        self._lock: entries.Lock | None = None
        self._warning = ""

    def open(self) -> Iterator[Noted]:
        """Open or create the entry, after `Method.prepare`. Yields a note on how much of it is cached."""
        self._release()
        image = self._split.images[:1].to(self._split.targets.device).float() / 255
        self._output_rows = OutputRows(self._teacher, self._terms, image)
        images, views = len(self._split), self._recipe.kept_views
        size = views * images * self._output_rows.layout.row_bytes
        size_text = f"{views} view{'s' if views > 1 else ''}, {entries.in_words(size)}"
        decided_by = key(self._teacher, self._split, self._recipe.data, self._output_rows)
        try:
            folder, self._lock = entries.open_entry(name(decided_by), decided_by, size)
            self._views = [View(folder, number, images, self._output_rows.layout.width) for number in range(views)]
        except (entries.NoSpace, OSError) as error:
            self._release()
            yield Noted(
                f"Teacher outputs are not cached ({size_text}): {error}. The teacher runs in every step. Use fewer views "
                "(teacher.cache_views) or a larger KD_CACHE_GB.",
                "warning",
            )
        else:
            share = sum(view.filled() for view in self._views) / (views * images)
            before = f"{100 * share:.0f} % are cached already" if share else "none are cached yet"
            yield Noted(f"Teacher outputs are cached: {size_text}; {before}.")

    def __call__(self, batch: Batch) -> Outputs:
        """The teacher's outputs for a batch of fixed views."""
        assert batch.view is not None, "the batches come in fixed views"
        return self._output_rows.unpack(self._rows(batch, batch.view))

    def notes(self) -> Iterator[Noted]:
        """A warning where caching failed in the last step."""
        if self._warning:
            yield Noted(self._warning, "warning")
            self._warning = ""

    def _rows(self, batch: Batch, number: int) -> Tensor:
        if not self._views:
            return self._output_rows.compute(batch.images)
        if number in self._on_gpu:
            return self._on_gpu[number].index_select(0, batch.indices)
        view, images, device = self._views[number], batch.indices.cpu().numpy(), batch.images.device
        rows, valid = view.read(images)
        if not valid.all():
            missing = np.flatnonzero(~valid)
            computed = self._output_rows.compute(batch.images[torch.from_numpy(missing).to(device)])
            rows[missing] = computed.cpu().numpy()
            self._write(view, images[missing], rows[missing])
        elif device.type == "cuda":
            self._copy_to_gpu(number, device)
        return torch.from_numpy(rows).to(device)

    def _write(self, view: View, indices: np.ndarray, rows: np.ndarray) -> None:
        try:
            view.write(indices, rows)
        except OSError as error:
            self._release()
            self._warning = f"Teacher outputs are no longer cached ({error.strerror}); the teacher runs in every step."

    def _copy_to_gpu(self, number: int, device: torch.device) -> None:
        """Copy a complete view, where it fits: a step then needs no transfer, and no wait for the image indices."""
        view, images = self._views[number], len(self._split)
        size = images * self._output_rows.layout.row_bytes
        if view.filled() == images and size <= ON_GPU * torch.cuda.mem_get_info(device)[0]:
            rows, valid = view.read(np.arange(images))
            if valid.all():
                self._on_gpu[number] = torch.from_numpy(rows).to(device)

    def _release(self) -> None:
        self._views, self._on_gpu = [], {}
        if self._lock:
            self._lock.release()
            self._lock = None
