"""Studies: `studies/<id>.yaml` holds a study and the id of the run of each of its points; `<id>.report/` its report.

A run's id is stored before its folder exists. So after a crash the file shows which runs are missing, and none is done
twice. The progress of a study is that of its runs. A search adds variants to its file one by one, notes the runs that it
stopped early, and at last that it has ended; `<id>.search` is its log.
"""

import csv
import io
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from kdcore.errors import UserError
from kdcore.files import atomic, disk
from kdcore.files.reading import read_whole, regular
from kdcore.recipe import study as studies
from kdcore.recipe import yaml_text
from kdcore.recipe.study import Point, Study
from kdcore.results.comparison import (
    Compared,
    Conclusion,
    Outcome,
    Summary,
    conclude_all,
    sentence,
    summarise_all,
    with_interval,
    with_student,
)
from kdcore.store.replay.replay import created_at
from kdcore.store.run_ids import RUN_ID
from kdcore.store.runs import Store
from kdcore.store.state import ACTIVE, RunState, in_one_line

Column = tuple[str, str]  # network and metric
REPORT = ".report"  # ending of the folder of a study's report
SEARCH = ".search"  # ending of a search's log
MOST_BYTES = 1 << 20  # of a study's file; 1,000 points take 50 kB


@dataclass(frozen=True)
class Place:
    """A point of a study and its run; `run` is None before it starts and after it is deleted."""

    point: Point
    run_id: str
    run: RunState | None
    pruned: bool = False  # a search has stopped it early

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.done or self.pruned

    @property
    def done(self) -> bool:
        """Whether the run has results."""
        return self.run is not None and self.run.status == "finished" and "student" in self.run.results


@dataclass(frozen=True)
class StudyState:
    """A study and its progress.

    status: as of a run: queued, running (one of its runs is active), finished, failed, stopped, interrupted.
    """

    id: str
    created: float  # seconds since 1970
    study: Study
    places: tuple[Place, ...]
    read: Callable[[RunState], Outcome] = field(
        compare=False, repr=False
    )  # what a finished run contributes to comparisons
    searching: bool = False  # a search that has not ended may add variants

    @property
    def name(self) -> str:
        return self.study.name

    @property
    def done(self) -> int:
        return sum(place.done for place in self.places)

    @property
    def pruned(self) -> int:
        """How many runs a search has stopped early."""
        return sum(place.pruned for place in self.places)

    @property
    def total(self) -> int:
        """The number of runs, of a search those to come included."""
        return max(len(self.places), self.study.count if self.searching else 0)

    @property
    def status(self) -> str:
        if all(place.ended for place in self.places) and not self.searching:
            return "finished"
        found = [place.run.status if place.run else "interrupted" for place in self.places if not place.ended]
        working = [status for status in found if status in ACTIVE]
        if working:
            return working[0] if set(working) in ({"queued"}, {"paused"}, {"paused", "queued"}) else "running"
        return next((status for status in ("failed", "stopped") if status in found), "interrupted")

    @property
    def now(self) -> RunState | None:
        """The run in progress."""
        working = [place.run for place in self.places if place.run and place.run.status in ACTIVE]
        return next((run for run in working if run.status != "queued"), None)

    def variants(self) -> dict[str, list[Place]]:
        """Label -> its places, one for each seed."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            found.setdefault(place.point.variant, []).append(place)
        return found

    def summaries(self) -> dict[str, Summary | None]:
        """Label -> summary of its finished seeds, corrected for the number of variants; None where none is finished."""
        done = {label: [run for run in runs.values() if run] for label, runs in self._outcomes.items()}
        known = [label for label, found in done.items() if found]
        planned = [len(self.study.seeds)] * len(known)
        found = summarise_all([done[label] for label in known], planned, self.comparisons)
        return dict.fromkeys(done) | dict(zip(known, found, strict=True))

    def validation(self, label: str) -> float | None:
        """A student's accuracy on the validation images at the end, mean over the variant's finished seeds: what settings are
        chosen by. None where none was measured."""
        latest = [place.run.latest.get("student", {}) for place in self.variants()[label] if place.run and place.done]
        found = [figures["top1"] for figures in latest if "top1" in figures]
        return fmean(found) if found else None

    @property
    def best(self) -> tuple[str, float] | None:
        """The variant with the highest accuracy on validation images, and that accuracy; None where none was measured."""
        found = {label: value for label in self.variants() if (value := self.validation(label)) is not None}
        return max(found.items(), key=lambda item: item[1]) if found else None

    @property
    def comparisons(self) -> int:
        """How many variants have a twin, or will have one."""
        return len({place.point.variant for place in self.places if place.point.recipe.twin})

    def base(self, label: str) -> str:
        """The variant that a variant is compared with by default: the first with the same student network, else the first."""
        students = {each: places[0].point.recipe.student for each, places in self.variants().items()}
        alike = [each for each, student in students.items() if student == students[label]]
        return alike[0] if len(alike) > 1 else next(iter(students))

    def against(self, other: str | None = None) -> dict[str, Conclusion | None]:
        """Label -> difference of its student to that of another variant (by default its `base`), paired by seed.

        Corrected for the number of variants. None where no seed is shared, and for that variant itself. Raises UserError
        where there is no such variant.
        """
        reached, seeds = self._outcomes, len(self.study.seeds)
        if other and other not in reached:
            raise UserError(f"The study {self.id} has no variant {other!r}; it has {', '.join(reached)}.")
        bases = {label: other or self.base(label) for label in reached}
        pairs = {
            label: [with_student(run, to) for seed, run in runs.items() if run and (to := reached[bases[label]][seed])]
            for label, runs in reached.items()
            if label != bases[label]
        }
        known = {label: Compared(tuple(found), seeds) for label, found in pairs.items() if found}
        concluded = dict(zip(known, conclude_all(list(known.values()), len(pairs)), strict=True))
        return {label: concluded.get(label) for label in self.variants()}

    @cached_property
    def _outcomes(self) -> dict[str, dict[int, Outcome | None]]:
        """Label -> seed -> what its run contributes to comparisons; None until it has results."""
        return {
            label: {place.point.seed: self.read(place.run) if place.run and place.done else None for place in places}
            for label, places in self.variants().items()
        }

    def seconds(self, label: str) -> float | None:
        """Mean seconds of a variant's finished runs."""
        spent = [place.run.active_seconds for place in self.variants()[label] if place.run and place.done]
        return sum(spent) / len(spent) if spent else None

    def version(self) -> tuple[str, ...]:
        """Changes whenever the table of results would."""
        return tuple(place.run.status if place.run else "" for place in self.places)


class Studies:
    """The studies of a store. What it returns is immutable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.root = store.root / "studies"

    def new_id(self, study: Study) -> str:
        """An id for a new study."""
        slug = re.sub(r"[^a-z0-9]+", "-", study.name.lower())[:24].strip("-") or "study"
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(4)}"

    def create(self, study: Study, study_id: str = "") -> str:
        """Store a study, with an id for the run of each point; returns the study's id.

        Raises:
            RecipeError: the recipe of a variant is not valid.
        """
        study = studies.resolved(study)
        points = studies.points(study)
        study_id = study_id or self.new_id(study)
        run_ids = [self.store.new_id(point.recipe) for point in points]
        self._write(study_id, _Stored(study, points, run_ids, searching=study.searches))
        return study_id

    def extend(self, study_id: str, label: str, settings: dict[str, Any]) -> None:
        """Add a variant to a search, with an id for the run of each seed. Only the search itself may call it.

        Raises:
            RecipeError: its recipe is not valid; nothing is added.
        """
        stored = self._stored(study_id)
        study = stored.study.model_copy(update={"variants": {**stored.study.variants, label: settings}})
        points = studies.points(study)
        added = [self.store.new_id(point.recipe) for point in points if point.variant == label]
        self._write(study_id, replace(stored, study=study, points=points, run_ids=[*stored.run_ids, *added]))

    def prune(self, study_id: str, run_ids: Sequence[str]) -> None:
        """Note that a search has stopped these runs early: they count as ended."""
        stored = self._stored(study_id)
        self._write(study_id, replace(stored, pruned=stored.pruned | set(run_ids)))

    def end_search(self, study_id: str) -> None:
        """Note that a search adds no more variants."""
        self._write(study_id, replace(self._stored(study_id), searching=False))

    def search_log(self, study_id: str) -> Path:
        """The file in which a search keeps its trials."""
        return self.root / f"{study_id}{SEARCH}"

    def ids(self) -> list[str]:
        """All ids, newest first, also of studies that cannot be read."""
        found = (path.stem for path in self.root.glob("*.yaml")) if self.root.is_dir() else ()
        return sorted((study_id for study_id in found if RUN_ID.fullmatch(study_id)), reverse=True)

    def state(self, study_id: str) -> StudyState:
        """A study with its runs. Raises UserError where there is no such study, or its file is damaged."""
        stored = self._stored(study_id)
        pairs = zip(stored.points, stored.run_ids, strict=True)
        places = [self._place(point, run_id, pruned=run_id in stored.pruned) for point, run_id in pairs]
        created = created_at(self._path(study_id))
        return StudyState(study_id, created, stored.study, tuple(places), self._outcome, stored.searching)

    def _stored(self, study_id: str) -> "_Stored":
        path = self._path(study_id)
        try:
            written = regular(path).st_mtime_ns
        except OSError as error:
            raise UserError(f"The study {study_id} cannot be read: {error.strerror or error}.") from None
        return _read(path, written)

    def states(self) -> list[StudyState]:
        """All studies that can be read, newest first; `damaged` has the others."""
        return [found for found in self._each() if isinstance(found, StudyState)]

    def damaged(self) -> dict[str, str]:
        """The studies that cannot be read: id -> what is wrong, in one line."""
        found = zip(self.ids(), self._each(), strict=False)
        return {study_id: in_one_line(str(each)) for study_id, each in found if isinstance(each, UserError)}

    def _each(self) -> Iterator[StudyState | UserError]:
        for study_id in self.ids():
            try:
                yield self.state(study_id)
            except UserError as error:
                yield error

    def delete(self, study_id: str) -> None:
        """Delete a study, also a damaged one, but not its runs. Raises UserError while one of them is active."""
        path = self._path(study_id)
        if study_id not in self.damaged() and self.state(study_id).status in ACTIVE:
            raise UserError(f"The study {study_id} is in progress; stop it before deleting it.")
        with disk.in_words(self.root, then="delete it again"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            shutil.rmtree(path.with_suffix(REPORT), ignore_errors=True)
            self.search_log(study_id).unlink(missing_ok=True)

    def csv(self, study_id: str) -> str:
        """CSV with one row for each run: settings, seed, status, and metrics of every network and the difference, as fractions.

        The conclusion is the variant's, over its seeds and corrected for the number of variants.
        """
        state = self.state(study_id)
        settings = studies.variants(state.study)
        keys = list(dict.fromkeys(key for values in settings.values() for key in values))
        columns = _columns(state)
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(
            [
                "variant",
                *keys,
                "seed",
                "run",
                "status",
                "seconds",
                *(f"{network}_{metric}" for network, metric in columns),
                "conclusion",
            ]
        )
        conclusions = {label: sentence(summary) if summary else "" for label, summary in state.summaries().items()}
        for place in state.places:
            values, run = settings[place.point.variant], place.run
            results = with_interval(run.outcome) if run else {}
            table.writerow([
                place.point.variant, *(values.get(key, "") for key in keys), place.point.seed, place.run_id,
                run.status if run else "", f"{run.active_seconds:.1f}" if run else "",
                *(results.get(network, {}).get(metric, "") for network, metric in columns),
                conclusions[place.point.variant],
            ])  # fmt: skip
        return text.getvalue()

    def report_folder(self, study_id: str) -> Path:
        """Where the report of a study is written that has test sets. Raises UserError where there is no such study."""
        return self._path(study_id).with_suffix(REPORT)

    def report(self, study_id: str) -> Path | None:
        """The HTML file of a study's report; None where none has been written."""
        file = self.report_folder(study_id) / "report.html"
        return file if file.is_file() else None

    def _path(self, study_id: str) -> Path:
        """A study's file. Raises UserError where there is none; an id cannot lead out of the folder."""
        path = self.root / f"{study_id}.yaml"
        if not RUN_ID.fullmatch(study_id) or not os.path.lexists(path):
            raise UserError(f"There is no study {study_id!r} in {self.root}.")
        return path

    def _place(self, point: Point, run_id: str, *, pruned: bool) -> Place:
        try:
            return Place(point, run_id, self.store.state(run_id), pruned)
        except UserError:  # not started, or deleted
            return Place(point, run_id, None, pruned)

    def _outcome(self, run: RunState) -> Outcome:
        try:
            return self.store.outcome(run.id)
        except UserError:  # its recipe is damaged, or it was deleted just now
            return run.outcome

    def _write(self, study_id: str, stored: "_Stored") -> None:
        plain: dict[str, Any] = {"study": studies.to_plain(stored.study), "runs": stored.run_ids}
        if stored.pruned:
            plain["pruned"] = sorted(stored.pruned)
        if stored.searching:
            plain["searching"] = True
        with disk.in_words(self.root, then="start the study again"):
            self.root.mkdir(parents=True, exist_ok=True)
            atomic.write_text(self.root / f"{study_id}.yaml", yaml_text.written(plain))


@dataclass(frozen=True)
class _Stored:
    """A study's file."""

    study: Study
    points: list[Point]
    run_ids: list[str]
    pruned: frozenset[str] = frozenset()
    searching: bool = False


@lru_cache(maxsize=256)
def _read(path: Path, written: int) -> _Stored:
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
    return _Stored(study, points, run_ids, frozenset(map(str, pruned or ())), plain.get("searching") is True)


def _columns(state: StudyState) -> list[Column]:
    """Network and metric of every result of a finished run, in their usual order."""
    order = ("student", "twin", "teacher", "difference", "agreement")
    found: dict[Column, None] = {}
    for network in order:
        for place in state.places:
            if place.run:
                found |= dict.fromkeys((network, metric) for metric in place.run.results.get(network, {}))
    return list(found)
