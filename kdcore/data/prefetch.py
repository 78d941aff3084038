"""Batches of pixels prefetched by a thread, so that reading them overlaps with the training step."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from torch import Tensor

PREFETCHED = 4  # batches, at most


class Pixels(Protocol):
    """A tensor of images, or what gives them as one does."""

    def index_select(self, dim: int, index: Tensor, /) -> Tensor: ...


def prefetched(pixels: Pixels, parts: Iterable[Tensor], *, pinned: bool) -> Generator[Tensor, None, None]:
    """`pixels[rows]` for each of the parts, in their order. Exceptions of the thread are raised here; closing the
    generator ends the thread.

    Args:
        pixels: uint8 [n, H, W, 3], in main memory or mapped from disk.
        parts: int64 [B] each, on the CPU; made when their turn comes.
        pinned: return pinned memory, from which copies to a GPU are asynchronous.
    """

    def read(rows: Tensor) -> Tensor:
        images = pixels.index_select(0, rows)
        return images.pin_memory() if pinned else images

    thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    waiting: deque[Future[Tensor]] = deque()
    try:
        for rows in parts:
            waiting.append(thread.submit(read, rows))
            if len(waiting) > PREFETCHED:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
