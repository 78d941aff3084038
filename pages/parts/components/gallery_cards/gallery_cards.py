"""Cards of images with the networks' maps and predictions. A click returns the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from pages.parts import formatting
from pages.parts.components import pictures
from pages.parts.components.loading import component, of_kind

if TYPE_CHECKING:
    from kdcore.inspection.gallery import NetworkMaps, Survey

KEY = "gallery_cards"
SIDE = 144  # pixels of a picture

_component = component(KEY)


def draw(found: Survey, places: np.ndarray, headings: tuple[str, str], *, clickable: bool) -> int | None:
    """Draw a card for each of these places in the survey; returns the place that was clicked just now."""
    densities, most = _densities(found, places), scale(found, places)
    cards = [_card(found, int(place), [d[i] / most for d in densities], headings) for i, place in enumerate(places)]
    return mount(cards, key=KEY, hint="Open this image above" if clickable else "")


def mount(cards: list[dict[str, object]], *, key: str, hint: str = "") -> int | None:
    """Draw cards; returns the `place` of the one that was clicked just now.

    Args:
        cards: each with `place`, `label`, `apart`, `pictures` (who, url, alt) and `networks` (heading, colour, url, says, share,
            right).
        hint: what a click does; empty where a card cannot be clicked.
    """
    event = _component(
        key=key, data={"cards": cards, "clickable": bool(hint), "hint": hint}, on_picked_change=lambda: None
    )
    picked = of_kind(event.picked, int)
    return picked if picked in [card["place"] for card in cards] else None


def scale(found: Survey, places: np.ndarray) -> int:
    """How many times a map's average is drawn in the brightest colour."""
    return pictures.scale_for(_densities(found, places))


def _densities(found: Survey, places: np.ndarray) -> list[np.ndarray]:
    return [pictures.density(seen.heatmaps[places]) for seen in (found.teacher, found.student)]


def _card(found: Survey, place: int, heats: list[np.ndarray], headings: tuple[str, str]) -> dict[str, object]:
    small = found.thumbnails[place]
    photo = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC if len(small) < SIDE else cv2.INTER_AREA)
    target = int(found.targets[place])
    return {
        "place": place,
        "label": found.classes[target],
        "apart": f"{found.agreement['js'][place]:.2f} nats apart",
        "pictures": [
            {
                "who": "Image",
                "url": pictures.data_url(photo, SIDE),
                "alt": f"A test image: {found.classes[target]}",
            }
        ],
        "networks": [
            {
                "heading": heading,
                "colour": pictures.colour(role),
                "url": pictures.data_url(pictures.over(photo, heat), SIDE),
                **_says(found, seen, place, target),
            }
            for role, heading, heat, seen in zip(
                ("teacher", "student"), headings, heats, (found.teacher, found.student), strict=True
            )
        ],
    }


def _says(found: Survey, seen: NetworkMaps, place: int, target: int) -> dict[str, object]:
    best = int(seen.predicted[place])
    return {
        "says": found.classes[best],
        "share": formatting.percent(seen.probabilities[place, best], 0),
        "right": best == target,
    }
