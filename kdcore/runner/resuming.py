"""Resuming: the newest checkpoint of a run that can be read is loaded, and damaged ones are set aside."""

from collections.abc import Iterator
from pathlib import Path

from kdcore.errors import UserError
from kdcore.events import Noted
from kdcore.store import in_one_line
from kdcore.store.run_files import checkpoint
from kdcore.training.state import Parts

DAMAGED = ".damaged"  # suffix that a checkpoint gets when it cannot be read
# raised on a damaged checkpoint, by safetensors, by `load_state_dict` and by our own reading
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError)


def restored(parts: Parts, checkpoints: list[Path]) -> Iterator[Noted]:
    """Load the first of a run's checkpoints, newest first, that can be read. Those before it are renamed, since the run will
    write checkpoints at these steps again.

    Raises:
        UserError: there are checkpoints, and none can be read.
    """
    damaged: list[Path] = []
    for path in checkpoints:
        try:
            parts.load_state(checkpoint.load(path))
        except UNREADABLE as error:
            damaged.append(path)
            yield Noted(f"The checkpoint {path.name} is damaged and is skipped: {in_one_line(str(error))}", "warning")
            continue
        for broken in damaged:
            broken.rename(broken.with_suffix(DAMAGED))
        before = ", the one before it" if len(damaged) == 1 else f", {len(damaged)} before the newest"
        yield Noted(f"Resuming from {path.name}{before if damaged else ''}.", "warning" if damaged else "info")
        return
    if checkpoints:
        raise UserError(
            f"None of this run's checkpoints can be read ({', '.join(path.name for path in checkpoints)}), so it cannot be "
            f"resumed. Start a new run with its recipe; the curves of this one are kept."
        )
