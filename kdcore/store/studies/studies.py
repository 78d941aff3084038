"""All studies of a store: created, read, extended by a search, and deleted."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdcore.errors import UserError
from kdcore.files import disk
from kdcore.files.reading import regular
from kdcore.recipe import study as studies
from kdcore.recipe.study import Point, Study
from kdcore.results.comparison import Outcome
from kdcore.store.run_ids import RUN_ID, created_at
from kdcore.store.runs import Store
from kdcore.store.state import ACTIVE, RunState, in_one_line
from kdcore.store.studies import file, table
from kdcore.store.studies.file import Stored
from kdcore.store.studies.state import Place, StudyState

REPORT = ".report"  # ending of the folder of a study's report
SEARCH = ".search"  # ending of a search's log


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
        self._write(study_id, Stored(study, points, run_ids, searching=study.searches))
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

    def _stored(self, study_id: str) -> Stored:
        path = self._path(study_id)
        try:
            written = regular(path).st_mtime_ns
        except OSError as error:
            raise UserError(f"The study {study_id} cannot be read: {error.strerror or error}.") from None
        return file.read(path, written)

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
        return table.as_csv(self.state(study_id))

    def report_folder(self, study_id: str) -> Path:
        """Where the report of a study is written that has test sets. Raises UserError where there is no such study."""
        return self._path(study_id).with_suffix(REPORT)

    def report(self, study_id: str) -> Path | None:
        """The HTML file of a study's report; None where none has been written."""
        report = self.report_folder(study_id) / "report.html"
        return report if report.is_file() else None

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

    def _write(self, study_id: str, stored: Stored) -> None:
        file.write(self.root / f"{study_id}.yaml", stored)
