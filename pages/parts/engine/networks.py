"""Networks to inspect: predictions, heatmaps and uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from kdcore.errors import UserError
from kdcore.photos import Photo
from kdcore.recipe import imported_weights
from kdcore.recipe.references import LibraryNetwork, RunNetwork, parse
from kdcore.runtime.once import once
from kdcore.store import Store
from pages.parts.engine import catalogue, process
from pages.parts.engine.guards import Charged, shown, visitors
from pages.parts.roles import quota
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Glance, Inspector, LeftOut
    from kdcore.inspection.gallery import Survey


@visitors
def bundled() -> dict[str, dict[str, Any]]:
    """The trained models that come with the project: name -> card."""
    from kdcore import models

    return models.bundled()


def known(*references: str) -> None:
    """A visitor uses the bundled and imported networks, pretrained ones that are here, and those of runs; never another file."""
    if roles.is_operator():
        return
    for reference in references:
        source = parse(reference)
        named = isinstance(source, RunNetwork) or reference in process.process_runner().store.ids()
        here = isinstance(source, LibraryNetwork) and catalogue.may_load(source.name)
        if not named and not here and reference not in bundled() and reference not in _imported():
            watching.refuse("use weight files of this server")


def _imported() -> set[str]:
    """The references of imported weights that a visitor may use."""
    return {each.reference for each in imported_weights.listing() if each.size <= catalogue.LARGEST_FOR_VISITORS}


@once(maxsize=4)
def _inspector(store: Store) -> Inspector:
    from kdcore.inspection import Inspector

    return Inspector(store)


@visitors
def inspector() -> Inspector:
    """The process's own, for the networks of `choices`; a visitor's calls count as computing."""
    real = _inspector(process.process_runner().store)
    return real if roles.is_operator() else cast("Inspector", watching.inspector(real, known))


def glance(store: Store, pixels: Any, references: Sequence[str], map_name: str | None) -> list[Glance]:
    """For `camera`, whose frames are charged as a whole."""
    return _inspector(store).glance(pixels, references, map_name)


@visitors
def choices() -> list[Choice]:
    """Every network that can be inspected, but for the pretrained ones of `networks_here`."""
    from kdcore import inspection

    found = inspection.choices(process.process_runner().store)
    may = set() if roles.is_operator() else _imported()
    return [each for each in found if each.kind != "imported" or roles.is_operator() or each.reference in may]


@visitors
def left_out() -> list[LeftOut]:
    """Runs and imported weights whose networks are no choices, with the reason."""
    from kdcore import inspection

    found = inspection.left_out(process.process_runner().store)
    return [replace(each, why=shown(each.why)) for each in found if each.run_id or roles.is_operator()]


@visitors
def without_teacher(run_id: str) -> str:
    """Why a run's teacher is not among the choices; empty where it is, or where the run has none or is gone."""
    from kdcore import inspection

    try:
        return inspection.without_teacher(run_id, process.process_runner().store)
    except UserError:
        return ""


@visitors
def survey(teacher: str, student: str, *, map_name: str | None, at_most: int) -> Iterator[Survey]:
    """Two networks' maps over test images, batch by batch. Raises UserError at the first one: no such map, or no images."""
    from kdcore.inspection import gallery

    known(teacher, student)
    return Charged(
        gallery.look_through(teacher, student, process.process_runner().store, map_name=map_name, at_most=at_most)
    )


@visitors
def test_image(student: str, place: int, *, at_most: int) -> Any:
    """An image of the split that `survey` went through: uint8 [H, W, 3]."""
    from kdcore.inspection import gallery

    known(student)
    with quota.charged():
        return gallery.picture(student, process.process_runner().store, place, at_most=at_most)


@visitors
def read_upload(raw: bytes, name: str, *, side: int, wanted: Callable[[], bool]) -> Photo:
    """Decode an upload in a process of its own; see `kdcore.photos.Workers.read`. Raises BadPhoto, Busy."""
    from kdcore import photos

    quota.take_photo(name)
    return photos.read_upload(raw, name, side=side, wanted=wanted)
