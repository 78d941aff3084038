"""The interface from the pages to the engine. Pages take nothing else of kdcore but plain data.

Here it is decided what a visit may do: every function is marked `operators` or `visitors`, and `runner`, `store`, `studies` and
`inspector` give a visitor objects that refuse all but the methods listed in `roles/visitors`. What is drawn on a page protects nothing.

Most modules of the engine load torch, so they are imported on first use. Tests replace `process_runner`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

from kdcore.checks import preflight
from kdcore.checks.findings import Finding, TeacherCheck
from kdcore.checks.findings import Remedy as Remedy  # for the pages
from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.photos import Photo
from kdcore.recipe import DataRecipe, Recipe
from kdcore.recipe.references import RunNetwork, parse
from kdcore.recipe.study import Study
from kdcore.store import Store, Studies
from pages.parts.roles import quota
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from types import ModuleType

    from kdcore.data.folders.report import FolderReport
    from kdcore.data.preview import Preview
    from kdcore.inspection import Choice, Inspector
    from kdcore.inspection import robustness as lab
    from kdcore.inspection.gallery import Survey
    from kdcore.inspection.method_cards import Entry
    from kdcore.inspection.soft_labels import NetworkOutputs

FOLDER_SECONDS = 1.0  # in which files of a folder are decoded, each time that it is looked through
VISITORS_IMAGES = 200  # of a test set, where a visitor has it evaluated
P = ParamSpec("P")
R = TypeVar("R")


def operators(doing: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function that a visitor may not call; `doing` completes "Only the operator can ..."."""

    def marked(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*arguments: P.args, **settings: P.kwargs) -> R:
            if not roles.is_operator():
                watching.refuse(doing)
            return function(*arguments, **settings)

        checked.role = "operator"  # type: ignore[attr-defined]
        return checked

    return marked


def visitors(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that visitors may call too; the paths of the server are left out of what it tells them."""

    @functools.wraps(function)
    def checked(*arguments: P.args, **settings: P.kwargs) -> R:
        if roles.is_operator():
            return function(*arguments, **settings)
        try:
            return function(*arguments, **settings)
        except UserError as error:
            raise type(error)(watching.in_words(str(error))) from None

    checked.role = "visitor"  # type: ignore[attr-defined]
    return checked


class Cost(Protocol):
    """What a recipe will cost, as `kdcore.setup.cost.Estimate` describes it."""

    teacher_parameters: int
    student_parameters: int
    teacher_flops: int
    student_flops: int
    images: int
    steps: int
    seconds: float
    device: str
    teacher_share: float
    view_bytes: int | None
    downloads: tuple[str, ...]


@runtime_checkable
class Runner(Protocol):
    """What pages use of `kdcore.runner.Runner`, which documents what each method does and raises."""

    store: Store

    def active(self) -> tuple[str, ...]: ...

    def start(self, recipe: Recipe) -> list[str]: ...

    def pause(self, run_id: str) -> None: ...

    def unpause(self, run_id: str) -> None: ...

    def stop(self, run_id: str) -> None: ...

    def resume(self, run_id: str) -> None: ...

    def set_knob(self, run_id: str, knob: str, factor: float) -> None: ...

    def start_study(self, study: Study) -> str: ...

    def stop_study(self, study_id: str) -> None: ...

    def resume_study(self, study_id: str) -> None: ...

    def estimate(self, recipe: Recipe) -> Cost: ...

    def check_teacher(self, recipe: Recipe) -> TeacherCheck: ...

    def close(self, timeout: float = ...) -> None: ...


def process_runner() -> Runner:
    """The runner of this process, whatever the role: for the server itself and for this module."""
    from kdcore import runner

    return runner.get()


@visitors
def runner() -> Runner:
    """The runner of this process, as far as this visit may use it."""
    real = process_runner()
    return real if roles.is_operator() else cast(Runner, watching.runner(real))


@visitors
def store() -> Store:
    """The runs, as far as this visit may use them."""
    return runner().store


@visitors
def studies() -> Studies:
    """The studies, as far as this visit may use them."""
    real = Studies(process_runner().store)
    return real if roles.is_operator() else cast(Studies, watching.studies(real))


@operators("estimate a run's cost")
def estimate(recipe: Recipe) -> Cost:
    """What a run will cost. Takes seconds. Raises UserError where the networks do not fit."""
    return runner().estimate(recipe)


@operators("check teachers")
def check_teacher(recipe: Recipe) -> TeacherCheck:
    """The check of a recipe's teacher. Takes seconds. Raises UserError where weights or images are missing."""
    return runner().check_teacher(recipe)


@operators("check teachers")
def teacher_check_is_quick(recipe: Recipe) -> bool:
    """Whether the teacher can be checked in seconds, without slowing down a run."""
    from kdcore.checks import teacher_check

    known_already = preflight.class_counts(recipe, store()) is not None
    return known_already or (not runner().active() and teacher_check.is_quick(recipe))


@operators("check recipes on this server")
def findings(recipe: Recipe) -> tuple[Finding, ...]:
    """All that would be refused before a run (verdict `stop`), and warnings about the pair of networks; as the command line
    refuses it."""
    from kdcore.checks import before_run

    return before_run.findings(recipe, store())


@visitors
def check_settings(data: DataRecipe) -> None:
    """Refuse an unknown dataset, or settings that it does not have: UserError. A visitor's folder is refused too."""
    _refuse_folder(data)
    datasets.check(data)


@visitors
def check_data(data: DataRecipe) -> None:
    """Refuse data that cannot be used: UserError. A visitor's folder is refused without a look at it."""
    _refuse_folder(data)
    preflight.check_data(data)


@visitors
def data_classes(data: DataRecipe) -> int | None:
    """How many classes the data has; None where that is not known yet."""
    _refuse_folder(data)
    return preflight.data_classes(data)


@operators("use folders of this server")
def folder_report(data: DataRecipe) -> FolderReport:
    """What a run would use of an own folder, and what is left out. Takes a second or more. Raises UserError."""
    from kdcore.data.folders import report

    return report.report(data, FOLDER_SECONDS)


def _refuse_folder(data: DataRecipe) -> None:
    if data.path is not None and not roles.is_operator():
        watching.refuse("use folders of this server")


@visitors
def methods() -> dict[str, Entry]:
    """Every method by its name: its card, options and pairings."""
    from kdcore.inspection import method_cards

    return {entry.name: entry for entry in method_cards.entries()}


@visitors
def trial(name: str) -> Recipe:
    """A short recipe with one method, on networks that come with the project."""
    from kdcore.inspection import method_cards

    return method_cards.trial(method_cards.entry(name))


@visitors
def soft_labels() -> ModuleType:
    """The functions of `kdcore.inspection.soft_labels` of outputs that are there: soft labels, losses and their gradients."""
    from kdcore.inspection import soft_labels

    return soft_labels if roles.is_operator() else cast("ModuleType", watching.soft_labels(soft_labels))


@visitors
def test_outputs(references: Mapping[str, str]) -> NetworkOutputs:
    """Outputs of networks on test images. Raises UserError where images are missing."""
    from kdcore.inspection import soft_labels

    _known(*references.values())
    with quota.charged():
        return soft_labels.run(references, process_runner().store)


@functools.cache
def _inspector(store: Store) -> Inspector:
    from kdcore.inspection import Inspector

    return Inspector(store)


@visitors
def inspector() -> Inspector:
    """The process's own, for the networks of `choices`; a visitor's calls count as computing."""
    real = _inspector(process_runner().store)
    return real if roles.is_operator() else cast("Inspector", watching.inspector(real, _known))


@visitors
def choices() -> list[Choice]:
    """Every network that can be inspected."""
    from kdcore import inspection

    return inspection.choices(process_runner().store)


@visitors
def without_teacher(run_id: str) -> str:
    """Why a run's teacher is not among the choices; empty where it is, or where the run has none or is gone."""
    from kdcore import inspection

    try:
        return inspection.without_teacher(run_id, process_runner().store)
    except UserError:
        return ""


@visitors
def survey(teacher: str, student: str, *, map_name: str | None, at_most: int) -> Iterator[Survey]:
    """Two networks' maps over test images, batch by batch. Raises UserError at the first one: no such map, or no images."""
    from kdcore.inspection import gallery

    _known(teacher, student)
    return _Charged(gallery.look_through(teacher, student, process_runner().store, map_name=map_name, at_most=at_most))


class _Charged(Iterator[R]):
    """Each step counts as the computing of the visit that takes it. A refused step is not lost."""

    def __init__(self, steps: Iterator[R]) -> None:
        self._steps = steps

    def __next__(self) -> R:
        return self._next()

    @visitors
    def _next(self) -> R:
        with quota.charged():
            return next(self._steps)


class _OfOperator(Iterator[R]):
    """Steps that only the operator's visits may take, whoever shares the object."""

    def __init__(self, steps: Iterator[R]) -> None:
        self._steps = steps

    def __next__(self) -> R:
        if not roles.is_operator():
            watching.refuse("evaluate networks on all test sets")
        return next(self._steps)


@visitors
def test_image(student: str, place: int, *, at_most: int) -> Any:
    """An image of the split that `survey` went through: uint8 [H, W, 3]."""
    from kdcore.inspection import gallery

    _known(student)
    with quota.charged():
        return gallery.picture(student, process_runner().store, place, at_most=at_most)


@visitors
def evaluable() -> list[lab.Network]:
    """Every network that can be evaluated on test sets."""
    from kdcore.inspection import robustness

    return [replace(each, data=_shown(each.data)) for each in robustness.networks(process_runner().store)]


@visitors
def families() -> list[lab.Family]:
    """Teachers with their student and twin."""
    from kdcore.inspection import robustness

    return robustness.families(process_runner().store)


@visitors
def evaluation_refusal(networks: Sequence[str]) -> str:
    """Why these networks cannot be evaluated together; empty where they can."""
    from kdcore.inspection import robustness

    _known(*networks)
    return _shown(robustness.refusal(networks, process_runner().store))


@visitors
def test_sets(networks: Sequence[str]) -> list[lab.SetCard]:
    """The cards of all test sets."""
    from kdcore.inspection import robustness

    _known(*networks)
    found = robustness.test_sets(networks, process_runner().store)
    return [replace(each, unavailable=_shown(each.unavailable)) for each in found]


@visitors
def quick_evaluation(networks: Sequence[str], *, images: int | None) -> Iterator[lab.Progress]:
    """Networks on a test set of each kind, a visitor's at most on `VISITORS_IMAGES` images. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    _known(*networks)
    store = process_runner().store
    images = images or robustness.default_images("quick", networks, store)
    conditions = robustness.conditions("quick", networks, store)
    if not roles.is_operator():
        images = min(images, VISITORS_IMAGES)
    return _Charged(robustness.assess(networks, conditions, store, images=images))


@operators("evaluate networks on all test sets")
def full_evaluation(networks: Sequence[str], *, corruptions: bool) -> Iterator[lab.Progress]:
    """Networks on every test set at every strength, or on the corruptions. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    store, which = process_runner().store, "corruptions" if corruptions else "full"
    return _OfOperator(robustness.assess(networks, robustness.conditions(which, networks, store), store))


@visitors
def conditions(which: lab.Which, networks: Sequence[str]) -> list[str]:
    """The test sets, with their strengths, of such an evaluation."""
    from kdcore.inspection import robustness

    _known(*networks)
    return robustness.conditions(which, networks, process_runner().store)


@visitors
def kept_outcomes(networks: Sequence[str]) -> lab.Assessment:
    """What earlier evaluations kept of these networks; nothing is computed."""
    from kdcore.inspection import robustness

    _known(*networks)
    return robustness.kept(networks, process_runner().store)


@visitors
def kept_of_run(run_id: str) -> tuple[lab.Family, lab.Assessment] | None:
    """What earlier evaluations kept of a run's networks; nothing is computed."""
    from kdcore.inspection import robustness

    return robustness.of_run(run_id, process_runner().store)


@visitors
def images_of_test_set(networks: Sequence[str], condition: str, **choice: Any) -> lab.Gallery:
    """A page of images with predictions and heatmaps; `choice` as `robustness.gallery` takes it. Raises UserError."""
    from kdcore.inspection import robustness

    _known(*networks)
    with quota.charged():
        return robustness.gallery(networks, condition, process_runner().store, **choice)


@visitors
def accuracy_now(networks: Sequence[str], condition: str, *, images: int) -> lab.Live:
    """Accuracies at one strength on a sample. Raises UserError."""
    from kdcore.inspection import robustness

    _known(*networks)
    with quota.charged():
        return robustness.live(networks, condition, process_runner().store, images=min(images, VISITORS_IMAGES))


@visitors
def layer_similarity(one: str, other: str, *, images: int) -> Iterator[lab.Similarity]:
    """CKA between the layers of two networks, batch by batch. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    _known(one, other)
    return _Charged(robustness.similarity(one, other, process_runner().store, images=images))


@visitors
def heatmap_sensitivity(
    networks: Sequence[str], conditions: Sequence[str], *, images: int
) -> Iterator[list[lab.Sensitivity]]:
    """How much heatmaps change under perturbations, step by step. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    _known(*networks)
    return _Charged(robustness.sensitivity(networks, conditions, process_runner().store, images=images))


@operators("export test sets")
def export_test_set(network: str, condition: str, *, images: int) -> bytes:
    """A zip of PNG files with a manifest. Raises UserError."""
    from kdcore.inspection import robustness

    return robustness.export(network, condition, process_runner().store, images=images)


def _shown(text: str) -> str:
    """A text as this visit may see it: a visitor sees no path of the server."""
    return text if roles.is_operator() else watching.in_words(text)


def _known(*references: str) -> None:
    """A visitor uses the bundled networks and those of runs, never a file."""
    if roles.is_operator():
        return
    for reference in references:
        named = isinstance(parse(reference), RunNetwork) or reference in process_runner().store.ids()
        if not named and reference not in bundled():
            watching.refuse("use weight files of this server")


@visitors
def read_upload(raw: bytes, name: str, *, side: int, wanted: Callable[[], bool]) -> Photo:
    """Decode an upload in a process of its own; see `kdcore.photos.Workers.read`. Raises BadPhoto, Busy."""
    from kdcore import photos

    quota.take_photo(name)
    return photos.read_upload(raw, name, side=side, wanted=wanted)


@operators("see images of this server")
def preview(data: DataRecipe, count: int, seed: int) -> Preview:
    """A few training images, augmented, with their labels. Raises UserError where the data is missing."""
    from kdcore.data.preview import preview

    return preview(data, count, seed=seed)


@visitors
def bundled() -> dict[str, dict[str, Any]]:
    """The trained models that come with the project: name -> card."""
    from kdcore import models

    return models.bundled()


@visitors
def student_names() -> tuple[str, ...]:
    """The names of student networks that a form offers."""
    from kdcore import models

    return models.names()


@visitors
def refusal(command: Callable[..., None], *arguments: Any) -> str:
    """Call a command of the runner or the store; returns why it was refused, or nothing."""
    try:
        command(*arguments)
    except UserError as error:
        return str(error)
    return ""
