"""The networks of a study that are compared: in each direction the teacher, the independent students and those of each method.

A direction is a pair of teacher and student. Its independent students are those of the variant without a term that uses the
teacher; where there is none, the twins of the runs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kdcore import methods
from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.store import StudyState
from kdcore.store.studies import Place

BETWEEN = ": "  # of a direction and a method in the name of a variant, as in "ViT to CNN: CRD"


@dataclass(frozen=True)
class Method:
    """The students of one variant, by seed, each with its independent student: references as `models.load` takes them."""

    title: str
    students: dict[int, str]
    independent: dict[int, str]

    @property
    def seeds(self) -> list[int]:
        return sorted(self.students.keys() & self.independent.keys())


@dataclass(frozen=True)
class Direction:
    """What the students of one kind learn from one teacher. `title` is empty in a study with a single direction."""

    title: str
    teacher: str
    methods: tuple[Method, ...]

    @property
    def independent(self) -> dict[int, str]:
        """The independent students, by seed; the first method's where each has its own."""
        return self.methods[0].independent

    @property
    def references(self) -> list[str]:
        found = [self.teacher]
        for method in self.methods:
            found += [*method.independent.values(), *method.students.values()]
        return list(dict.fromkeys(found))


def directions(state: StudyState) -> list[Direction]:
    """The directions of a study, with the networks of its finished runs.

    Raises:
        UserError: no run with a teacher is finished, or there are no independent students to compare with.
    """
    groups: dict[str, dict[str, list[Place]]] = {}
    for label, places in state.variants().items():
        groups.setdefault(places[0].point.recipe.student.model_dump_json(), {})[label] = places
    found = [made for variants in groups.values() if (made := _direction(variants, single=len(groups) == 1))]
    if not found:
        raise UserError(
            f"The study {state.id} has no finished runs to compare: it needs students with a teacher, and independent ones, "
            "which are a variant without a term that uses the teacher, or the twins of its runs (twin: true)."
        )
    return found


def only(compared: Sequence[Direction], there: Collection[str]) -> list[Direction]:
    """The directions as far as their networks are among these."""
    found = []
    for direction in compared:
        left = [
            Method(each.title, _among(each.students, there), _among(each.independent, there))
            for each in direction.methods
        ]
        if direction.teacher in there and (left := [each for each in left if each.seeds]):
            found.append(Direction(direction.title, direction.teacher, tuple(left)))
    return found


def _among(references: dict[int, str], there: Collection[str]) -> dict[int, str]:
    return {seed: reference for seed, reference in references.items() if reference in there}


def _direction(variants: dict[str, list[Place]], *, single: bool) -> Direction | None:
    alone = [label for label, places in variants.items() if not _uses_teacher(places[0].point.recipe)]
    own = {
        place.point.seed: _reference(place, "student") for label in alone[:1] for place in variants[label] if place.done
    }
    taught: list[Method] = []
    teacher = ""
    for label, places in variants.items():
        if label in alone:
            continue
        done = [place for place in places if place.done]
        twins = {place.point.seed: _reference(place, "twin") for place in done if place.point.recipe.twin}
        students = {place.point.seed: _reference(place, "student") for place in done}
        method = Method(label, students, own if alone else twins)
        if method.seeds:
            taught.append(method)
            teacher = teacher or _reference(done[0], "teacher")
    if not taught:
        return None
    title = "" if single else _title([each.title for each in taught], list(variants))
    return Direction(title, teacher, tuple(_shortened(taught, title)))


def _title(taught: Sequence[str], labels: Sequence[str]) -> str:
    """What the names of all variants begin with, such as "ViT to CNN"; else the first variant's name."""
    beginnings = {label.partition(BETWEEN)[0] for label in labels if BETWEEN in label}
    return beginnings.pop() if len(beginnings) == 1 and all(BETWEEN in label for label in labels) else taught[0]


def _shortened(taught: Sequence[Method], title: str) -> list[Method]:
    start = f"{title}{BETWEEN}"
    return [Method(each.title.removeprefix(start), each.students, each.independent) for each in taught]


def _uses_teacher(recipe: Recipe) -> bool:
    return recipe.teacher is not None and any(methods.get(term.method).uses_teacher for term in recipe.terms)


def _reference(place: Place, network: str) -> str:
    return f"run:{place.run_id}/{network}"
