"""Whether an error means that memory is full, of a GPU or of the machine, and what to do about it, in a sentence."""

import re

from kdcore.events import MEMORY_FULL

WORDS = re.compile(r"can't allocate memory|not enough memory|out of memory|cannot allocate memory", re.IGNORECASE)
NAMES = ("MemoryError", "OutOfMemoryError", "_ArrayMemoryError")


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a memory that is full: Python's, numpy's, torch's of a GPU or of the CPU."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if type(error).__name__ in NAMES or (isinstance(error, (RuntimeError, OSError)) and WORDS.search(str(error))):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def sentence(device: str, batch_size: int, accumulate: int) -> str:
    """Why the run ended and what needs less memory."""
    parts, most = 2 * accumulate, batch_size // 2
    if parts <= most:
        smaller = (
            f"optimizer.accumulate: {parts} computes each batch in {parts} parts of {batch_size // parts} images, with less memory "
            "and the same number of steps"
        )
    else:
        smaller = "a smaller data.batch_size"
    return (
        f"{MEMORY_FULL}{device} is full, at {batch_size // accumulate} images at a time. What needs less: {smaller}; a smaller "
        "data.image_size; or a smaller model. Other programs may also be using the memory."
    )
