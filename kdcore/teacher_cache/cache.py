"""A teacher with a memory: asked for what it has not said before, read from disk for the rest."""

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
from kdcore.teacher_cache.packing import Answers
from kdcore.teacher_cache.view import View
from kdcore.tensors.outputs import Batch, Outputs

ON_GPU = 0.25  # of its free memory may hold rows


def check(recipe: Recipe) -> None:
    """Refuse to keep answers that depend on more than the image and its view.

    Raises:
        RecipeError: with the way out.
    """
    for term in recipe.terms if recipe.kept_views else ():
        if methods.get(term.method).has_views:
            raise RecipeError(
                f"`teacher.cache_views` is {recipe.kept_views}, but the term {term.label!r} shows the teacher further views "
                "of every batch, which are not kept: set teacher.cache_views=0, or leave the term out."
            )


class TeacherCache:
    """What a teacher says of a batch, from disk where it was said before.

    The numbers are the same whether they come from disk or from the teacher, for those just said are rounded likewise: a
    run does not depend on what others have left behind.
    """

    def __init__(self, teacher: Teacher, terms: Sequence[Method], split: Split, recipe: Recipe) -> None:
        self._teacher, self._terms, self._split, self._recipe = teacher, terms, split, recipe
        self._views: list[View] = []
        self._on_gpu: dict[int, Tensor] = {}
        self._lock: entries.Lock | None = None
        self._trouble = ""

    def open(self) -> Iterator[Noted]:
        """Find the entry, or make it, once the methods know what they read. Says how much of it is there."""
        self._release()
        image = self._split.images[:1].to(self._split.targets.device).float() / 255
        self._answers = Answers(self._teacher, self._terms, image)
        images, views = len(self._split), self._recipe.kept_views
        size = views * images * self._answers.layout.row_bytes
        told = f"{views} view{'s' if views > 1 else ''}, {entries.in_words(size)}"
        decided_by = key(self._teacher, self._split, self._recipe.data, self._answers)
        try:
            folder, self._lock = entries.opened(name(decided_by), decided_by, size)
            self._views = [View(folder, number, images, self._answers.layout.width) for number in range(views)]
        except (entries.NoRoom, OSError) as error:
            self._release()
            yield Noted(
                f"The teacher's answers are not kept ({told}): {error}. It is asked in every step. Fewer views "
                "(teacher.cache_views) or a larger KD_CACHE_GB may do.",
                "warning",
            )
        else:
            there = sum(view.filled() for view in self._views) / (views * images)
            before = f"{100 * there:.0f} % are there already" if there else "none are there yet"
            yield Noted(f"The teacher's answers are kept: {told}; {before}.")

    def __call__(self, batch: Batch) -> Outputs:
        """What the teacher says of a batch of fixed views."""
        assert batch.view is not None, "the batches come in fixed views"
        return self._answers.unpack(self._rows(batch, batch.view))

    def told(self) -> Iterator[Noted]:
        """What went wrong in the last step."""
        if self._trouble:
            yield Noted(self._trouble, "warning")
            self._trouble = ""

    def _rows(self, batch: Batch, number: int) -> Tensor:
        if not self._views:
            return self._answers.ask(batch.images)
        if number in self._on_gpu:
            return self._on_gpu[number].index_select(0, batch.indices)
        view, images, device = self._views[number], batch.indices.cpu().numpy(), batch.images.device
        rows, there = view.read(images)
        if not there.all():
            missing = np.flatnonzero(~there)
            said = self._answers.ask(batch.images[torch.from_numpy(missing).to(device)])
            rows[missing] = said.cpu().numpy()
            self._keep(view, images[missing], rows[missing])
        elif device.type == "cuda":
            self._take_to_gpu(number, device)
        return torch.from_numpy(rows).to(device)

    def _keep(self, view: View, places: np.ndarray, rows: np.ndarray) -> None:
        try:
            view.write(places, rows)
        except OSError as error:
            self._release()
            self._trouble = (
                f"The teacher's answers are not kept any more ({error.strerror}); it is asked in every step."
            )

    def _take_to_gpu(self, number: int, device: torch.device) -> None:
        """A whole view, where it fits: a step then need not wait for the GPU to say which images it has."""
        view, images = self._views[number], len(self._split)
        size = images * self._answers.layout.row_bytes
        if view.filled() == images and size <= ON_GPU * torch.cuda.mem_get_info(device)[0]:
            rows, there = view.read(np.arange(images))
            if there.all():
                self._on_gpu[number] = torch.from_numpy(rows).to(device)

    def _release(self) -> None:
        self._views, self._on_gpu = [], {}
        if self._lock:
            self._lock.release()
            self._lock = None
