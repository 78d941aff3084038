"""The state of a study: its points with their runs, how far it is, and what its variants show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

from kdcore.errors import UserError
from kdcore.recipe.study import Point, Study
from kdcore.results.comparison import Compared, Conclusion, Outcome, Summary, conclude_all, summarise_all, with_student
from kdcore.store.state import ACTIVE, RunState


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
    read: what a finished run contributes to comparisons. searching: a search that has not ended may add variants.
    """

    id: str
    created: float  # seconds since 1970
    study: Study
    places: tuple[Place, ...]
    read: Callable[[RunState], Outcome] = field(compare=False, repr=False)
    searching: bool = False

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
    def best(self) -> tuple[list[str], float] | None:
        """The variants with the highest accuracy on validation images, more than one where they are equal, and that accuracy; None where
        none was measured."""
        found = {label: value for label in self.variants() if (value := self.validation(label)) is not None}
        most = max(found.values(), default=None)
        return None if most is None else ([label for label, value in found.items() if value == most], most)

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
