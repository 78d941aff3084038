"""Cards of the distillation methods, and outputs of networks on test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from kdcore.recipe import Recipe
from pages.parts.engine import process
from pages.parts.engine.guards import visitors
from pages.parts.engine.networks import known
from pages.parts.roles import quota
from pages.parts.roles import role as roles
from pages.parts.roles import visitors as watching

if TYPE_CHECKING:
    from types import ModuleType

    from kdcore.inspection.method_cards import Entry
    from kdcore.inspection.soft_labels import NetworkOutputs


@visitors
def methods() -> dict[str, Entry]:
    """Every method by its name: its card, options and pairings."""
    from kdcore.inspection import method_cards

    return {entry.name: entry for entry in method_cards.entries()}


@visitors
def trial(name: str) -> Recipe:
    """A short recipe with one method, on networks that come with the project."""
    from kdcore.inspection import method_cards, method_recipes

    return method_recipes.trial(method_cards.entry(name))


@visitors
def soft_labels() -> ModuleType:
    """The functions of `kdcore.inspection.soft_labels` of outputs that are there: soft labels, losses and their gradients."""
    from kdcore.inspection import soft_labels

    return soft_labels if roles.is_operator() else cast("ModuleType", watching.soft_labels(soft_labels))


@visitors
def test_outputs(references: Mapping[str, str]) -> NetworkOutputs:
    """Outputs of networks on test images. Raises UserError where images are missing."""
    from kdcore.inspection import soft_labels

    known(*references.values())
    with quota.charged():
        return soft_labels.run(references, process.process_runner().store)
