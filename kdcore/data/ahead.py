"""Batches of pixels read by a thread that stays ahead, so that a disk or main memory answers while the step computes."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

BATCHES = 4  # read and waiting, at most


def taken(pixels: Tensor, parts: Sequence[Tensor], *, pinned: bool) -> Generator[Tensor, None, None]:
    """`pixels[rows]` for each of the parts, in their order. What goes wrong in the thread is raised here; closing the
    generator ends the thread.

    Args:
        pixels: uint8 [n, H, W, 3], in main memory or mapped from disk.
        parts: int64 [B] each, on the CPU.
        pinned: hand out pinned memory, from which a GPU copies without being waited for.
    """

    def read(rows: Tensor) -> Tensor:
        images = pixels.index_select(0, rows)
        return images.pin_memory() if pinned else images

    thread = ThreadPoolExecutor(1, thread_name_prefix="reads-ahead")
    waiting: deque[Future[Tensor]] = deque()
    try:
        for rows in parts:
            waiting.append(thread.submit(read, rows))
            if len(waiting) > BATCHES:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
