"""Preloads a view of Attention: its networks and maps are in the caches before the view is shown."""

from __future__ import annotations

from collections.abc import Mapping

from pages.parts import engine
from pages.parts.attention import comparison, form, framing, networks, opening, photo_choice


def preload(query: Mapping[str, str]) -> None:
    """Compute what the page shows at an address with these parameters: each network's map of its own prediction, and what its
    patches resemble. Another class, layer or head costs a map more when it is shown.

    Raises:
        UserError: what the page itself says when it is shown.
    """
    found = engine.choices()
    shown = photo_choice.of_address(query.get(photo_choice.PICKED) or opening.sample(found))
    if shown is None or not found:
        return
    shown = photo_choice.framed_as(shown, framing.parsed(query.get(framing.PARAMETER, "")))
    trio = form.trio(found, query.get("networks", ""), dataset=shown.dataset)
    titles = {card.title: name for name, card in networks.maps().items()}
    label = query.get("method", "")
    map_name = None if label == form.OWN_TITLE else titles.get(label, networks.first_choice())
    comparison.preload(shown, trio, map_name, query.get(photo_choice.PERTURBATION, ""))
