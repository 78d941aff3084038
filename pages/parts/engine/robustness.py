"""Networks on perturbed test sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pages.parts.engine import process
from pages.parts.engine.guards import Charged, OfOperator, operators, shown, visitors
from pages.parts.engine.networks import known
from pages.parts.roles import quota
from pages.parts.roles import role as roles

if TYPE_CHECKING:
    from kdcore.inspection import robustness as lab

VISITORS_IMAGES = 200  # of a test set, where a visitor has it evaluated


@visitors
def evaluable() -> list[lab.Network]:
    """Every network that can be evaluated on test sets."""
    from kdcore.inspection import robustness

    return [replace(each, data=shown(each.data)) for each in robustness.networks(process.process_runner().store)]


@visitors
def families() -> list[lab.Family]:
    """Teachers with their student and twin."""
    from kdcore.inspection import robustness

    return robustness.families(process.process_runner().store)


@visitors
def evaluation_refusal(networks: Sequence[str]) -> str:
    """Why these networks cannot be evaluated together; empty where they can."""
    from kdcore.inspection import robustness

    known(*networks)
    return shown(robustness.refusal(networks, process.process_runner().store))


@visitors
def test_sets(networks: Sequence[str]) -> list[lab.SetCard]:
    """The cards of all test sets."""
    from kdcore.inspection import robustness

    known(*networks)
    found = robustness.test_sets(networks, process.process_runner().store)
    return [replace(each, unavailable=shown(each.unavailable)) for each in found]


@visitors
def quick_evaluation(networks: Sequence[str], *, images: int | None) -> Iterator[lab.Progress]:
    """Networks on a test set of each kind, a visitor's at most on `VISITORS_IMAGES` images. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    known(*networks)
    store = process.process_runner().store
    images = images or robustness.default_images("quick", networks, store)
    conditions = robustness.conditions("quick", networks, store)
    if not roles.is_operator():
        images = min(images, VISITORS_IMAGES)
    return Charged(robustness.assess(networks, conditions, store, images=images))


@operators("evaluate networks on all test sets")
def full_evaluation(networks: Sequence[str], *, corruptions: bool) -> Iterator[lab.Progress]:
    """Networks on every test set at every strength, or on the corruptions. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    store, which = process.process_runner().store, "corruptions" if corruptions else "full"
    return OfOperator(robustness.assess(networks, robustness.conditions(which, networks, store), store))


@visitors
def conditions(which: lab.Which, networks: Sequence[str]) -> list[str]:
    """The test sets, with their strengths, of such an evaluation."""
    from kdcore.inspection import robustness

    known(*networks)
    return robustness.conditions(which, networks, process.process_runner().store)


@visitors
def kept_outcomes(networks: Sequence[str]) -> lab.Assessment:
    """What earlier evaluations kept of these networks; nothing is computed."""
    from kdcore.inspection import robustness

    known(*networks)
    return robustness.kept(networks, process.process_runner().store)


@visitors
def kept_of_run(run_id: str) -> tuple[lab.Family, lab.Assessment] | None:
    """What earlier evaluations kept of a run's networks; nothing is computed."""
    from kdcore.inspection import robustness

    return robustness.of_run(run_id, process.process_runner().store)


@visitors
def images_of_test_set(networks: Sequence[str], condition: str, **choice: Any) -> lab.Gallery:
    """A page of images with predictions and heatmaps; `choice` as `robustness.gallery` takes it. Raises UserError."""
    from kdcore.inspection import robustness

    known(*networks)
    with quota.charged():
        return robustness.gallery(networks, condition, process.process_runner().store, **choice)


@visitors
def accuracy_now(networks: Sequence[str], condition: str, *, images: int) -> lab.Live:
    """Accuracies at one strength on a sample. Raises UserError."""
    from kdcore.inspection import robustness

    known(*networks)
    with quota.charged():
        return robustness.live(networks, condition, process.process_runner().store, images=min(images, VISITORS_IMAGES))


@visitors
def accuracies_ahead(networks: Sequence[str], conditions: Sequence[str], *, images: int) -> None:
    """Compute accuracies before they are wanted, while nothing else is; for operators only, since no visit's quota counts it."""
    from kdcore.inspection import robustness

    if roles.is_operator() and conditions:
        known(*networks)
        robustness.live_ahead(networks, conditions, process.process_runner().store, images=images)


@visitors
def layer_similarity(one: str, other: str, *, images: int) -> Iterator[lab.Similarity]:
    """CKA between the layers of two networks, batch by batch. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    known(one, other)
    return Charged(robustness.similarity(one, other, process.process_runner().store, images=images))


@visitors
def heatmap_sensitivity(
    networks: Sequence[str], conditions: Sequence[str], *, images: int
) -> Iterator[list[lab.Sensitivity]]:
    """How much heatmaps change under perturbations, step by step. Raises UserError at the first step."""
    from kdcore.inspection import robustness

    known(*networks)
    return Charged(robustness.sensitivity(networks, conditions, process.process_runner().store, images=images))


@operators("export test sets")
def export_test_set(networks: Sequence[str], condition: str, *, images: int) -> bytes:
    """A zip of PNG files with a manifest, of the images that these networks are evaluated on. Raises UserError."""
    from kdcore.inspection import robustness

    return robustness.export(networks, condition, process.process_runner().store, images=images)
