"""The file of a study, read and written: the study, the runs of its points, and how far its search is."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.files import atomic, disk
from kdcore.files.reading import read_whole
from kdcore.recipe import study as studies
from kdcore.recipe import yaml_text
from kdcore.recipe.study import Point, Study

MOST_BYTES = 1 << 20  # 1,000 points take 50 kB


@dataclass(frozen=True)
class Stored:
    """What a study's file holds.

    run_ids: of its points, in their order. pruned: those that a search has stopped early.
    """

    study: Study
    points: list[Point]
    run_ids: list[str]
    pruned: frozenset[str] = frozenset()
    searching: bool = False


@lru_cache(maxsize=256)
def read(path: Path, written: int) -> Stored:
    """Read a study's file. Cached by its time of writing: pages need it often, and it rarely changes."""
    try:
        plain = yaml_text.read(read_whole(path, MOST_BYTES), source="it")
        if not isinstance(plain, dict) or not isinstance(plain.get("runs"), list):
            raise UserError("it should have `study`, the study itself, and `runs`, a list of runs.")
        study = studies.from_plain(plain.get("study"), source="its `study`")
        points, run_ids = studies.points(study), [str(run_id) for run_id in plain["runs"]]
        if len(points) != len(run_ids):
            raise UserError(f"it has {len(points)} points and names {len(run_ids)} runs.")
        pruned = plain.get("pruned") if isinstance(plain.get("pruned"), list) else []
    except OSError as error:
        raise UserError(f"The study {path.stem} cannot be read: {error.strerror or error}.") from None
    except UserError as error:
        raise UserError(f"The study {path.stem} cannot be read: {error}") from None
    return Stored(study, points, run_ids, frozenset(map(str, pruned or ())), plain.get("searching") is True)


def write(path: Path, stored: Stored) -> None:
    """Write a study's file, and the folder of studies where there is none yet. Raises UserError where the disk is full or read-only."""
    plain: dict[str, Any] = {"study": studies.to_plain(stored.study), "runs": stored.run_ids}
    if stored.pruned:
        plain["pruned"] = sorted(stored.pruned)
    if stored.searching:
        plain["searching"] = True
    with disk.in_words(path.parent, then="start the study again"):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, yaml_text.written(plain))
