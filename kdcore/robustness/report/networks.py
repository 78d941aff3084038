"""The networks of a study that are compared: in each direction the teacher, the independent students and those of each method.

A direction is a teacher and a student, with independent students: those of the variant without a term that uses the teacher whose
other settings are most alike; where there is none, the twins of the runs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from kdcore import methods
from kdcore.errors import UserError
from kdcore.recipe import Recipe, settings
from kdcore.recipe.references import RandomWeights
from kdcore.store import StudyState
from kdcore.store.studies import Place

BETWEEN = ": "  # of a direction and a method in the name of a variant, as in "ViT to CNN: CRD"


@dataclass(frozen=True)
class Method:
    """The students of one variant, by seed, each with its independent student: references as `models.load` takes them.

    differs: the settings in which the two were trained differently, besides the terms and the teacher.
    """

    title: str
    students: dict[int, str]
    independent: dict[int, str]
    differs: tuple[str, ...] = ()

    @property
    def seeds(self) -> list[int]:
        return sorted(self.students.keys() & self.independent.keys())


@dataclass(frozen=True)
class Direction:
    """What the students of one kind learn from one teacher, or from one for each seed. `title` is empty in a study with a single direction.

    teachers: by seed; the same reference for every seed where the seeds share one.
    """

    title: str
    teachers: dict[int, str]
    methods: tuple[Method, ...]

    @property
    def independent(self) -> dict[int, str]:
        """The independent students, by seed; the first method's where each has its own. Of seeds that have a teacher."""
        return {seed: each for seed, each in self.methods[0].independent.items() if seed in self.teachers}

    @property
    def own_teachers(self) -> bool:
        """Whether seeds have teachers of their own."""
        return len(set(self.teachers.values())) > 1

    @property
    def references(self) -> list[str]:
        found = [*self.teachers.values()]
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
    parts = [(variants, taught) for variants in groups.values() for taught in _taught(variants)]
    found = [made for variants, taught in parts if (made := _direction(variants, taught, single=len(parts) == 1))]
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
            replace(each, students=_among(each.students, there), independent=_among(each.independent, there))
            for each in direction.methods
        ]
        teachers = _among(direction.teachers, there)
        left = [replace(each, students=_of_seeds(each.students, teachers)) for each in left]
        if left := [each for each in left if each.seeds]:
            found.append(Direction(direction.title, teachers, tuple(left)))
    return found


def _of_seeds(references: dict[int, str], seeds: Collection[int]) -> dict[int, str]:
    return {seed: reference for seed, reference in references.items() if seed in seeds}


def _among(references: dict[int, str], there: Collection[str]) -> dict[int, str]:
    return {seed: reference for seed, reference in references.items() if reference in there}


@dataclass(frozen=True)
class _Taught:
    """Variants with one teacher, to be compared with one independent variant; with their twins where it is empty."""

    labels: list[str]
    alone: str
    alone_in_group: bool


def _taught(variants: dict[str, list[Place]]) -> list[_Taught]:
    """The variants of one student that use a teacher, those that are compared alike together."""
    recipes = {label: places[0].point.recipe for label, places in variants.items()}
    alone = [label for label, recipe in recipes.items() if not _uses_teacher(recipe)]
    found: dict[tuple[str, str], list[str]] = {}
    for label, recipe in recipes.items():
        if label not in alone and recipe.teacher is not None:
            teacher = recipe.teacher.model_dump_json(exclude={"cache_views", "accept"}) + _fine_tuned_on(recipe)
            found.setdefault((teacher, _nearest(recipe, {each: recipes[each] for each in alone})), []).append(label)
    return [_Taught(labels, own, len(found) == 1) for (_, own), labels in found.items()]


def _fine_tuned_on(recipe: Recipe) -> str:
    """What decides a fine-tuned teacher besides its own settings; empty for one that is as it came."""
    if recipe.teacher is None or recipe.teacher.finetune is None:
        return ""
    data = recipe.data.unmixed().model_dump_json(exclude={"labels", "label_noise"})
    return f"{data} {recipe.precision} {recipe.optimizer.accumulate}"


def _own_teachers(recipe: Recipe) -> bool:
    """Whether each seed has a teacher of its own: fine-tuned on the images of that seed, or with that seed's random weights."""
    if recipe.teacher is None:
        return False
    if recipe.teacher.finetune is not None:
        return recipe.data.seed == "run"
    return isinstance(recipe.teacher.reference, RandomWeights)


def _nearest(recipe: Recipe, alone: dict[str, Recipe]) -> str:
    """The variant without a teacher's term whose other settings are most alike; empty where there is none."""
    return min(alone, key=lambda label: len(_differing(recipe, alone[label])), default="")


def _differing(recipe: Recipe, other: Recipe) -> tuple[str, ...]:
    """Settings of training, besides terms, teacher, twin and seed."""
    keys = settings.differing([settings.settings(recipe), settings.settings(other)])
    return tuple(key for key in keys if key.partition(".")[0] not in ("terms", "teacher", "twin", "seeds", "probes"))


def _direction(variants: dict[str, list[Place]], taught: _Taught, *, single: bool) -> Direction | None:
    independent = variants.get(taught.alone, [])
    own = {place.point.seed: _reference(place, "student") for place in independent if place.done}
    made: list[Method] = []
    teachers: dict[int, str] = {}
    for label in taught.labels:
        done = [place for place in variants[label] if place.done]
        twins = {place.point.seed: _reference(place, "twin") for place in done if place.point.recipe.twin}
        students = {place.point.seed: _reference(place, "student") for place in done}
        differs = _differing(variants[label][0].point.recipe, independent[0].point.recipe) if independent else ()
        method = Method(label, students, own if independent else twins, differs)
        if method.seeds:
            made.append(method)
            for place in done:
                teachers.setdefault(place.point.seed, _reference(place, "teacher"))
    if not made:
        return None
    if not _own_teachers(variants[taught.labels[0]][0].point.recipe):
        shared = next(iter(teachers.values()))
        teachers = dict.fromkeys([*teachers, *own], shared)
    title = "" if single else _title(variants, taught)
    return Direction(title, teachers, tuple(_shortened(made, title)))


def _title(variants: dict[str, list[Place]], taught: _Taught) -> str:
    """What the names of its variants begin with, such as "ViT to CNN"; else the name of its first variant."""
    named = list(variants) if taught.alone_in_group else taught.labels
    beginnings = {label.partition(BETWEEN)[0] for label in named}
    if len(beginnings) == 1 and all(BETWEEN in label for label in named):
        return beginnings.pop()
    return taught.labels[0]


def _shortened(taught: Sequence[Method], title: str) -> list[Method]:
    start = f"{title}{BETWEEN}"
    return [replace(each, title=each.title.removeprefix(start)) for each in taught]


def _uses_teacher(recipe: Recipe) -> bool:
    return recipe.teacher is not None and any(methods.get(term.method).uses_teacher for term in recipe.terms)


def _reference(place: Place, network: str) -> str:
    return f"run:{place.run_id}/{network}"
