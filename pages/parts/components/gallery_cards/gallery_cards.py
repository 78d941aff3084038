"""Cards of the gallery: an image, both networks' maps and predictions. A click returns the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from pages.parts import formatting
from pages.parts.components import pictures
from pages.parts.components.loading import component

if TYPE_CHECKING:
    from kdcore.inspection.gallery import NetworkMaps, Survey

KEY = "gallery_cards"
SIDE = 144  # pixels of a picture

_component = component(KEY)


def draw(found: Survey, places: np.ndarray, headings: tuple[str, str], *, clickable: bool) -> int | None:
    """Draw a card for each of these places in the survey; returns the place that was clicked just now."""
    densities, most = _densities(found, places), scale(found, places)
    event = _component(
        key=KEY,
        data={
            "cards": [
                _card(found, int(place), [d[i] / most for d in densities], headings) for i, place in enumerate(places)
            ],
            "colours": [pictures.colour(network) for network in ("teacher", "student")],
            "clickable": clickable,
        },
        on_picked_change=lambda: None,
    )
    return None if event.picked is None else int(event.picked)


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
        "photo": pictures.data_url(photo, SIDE),
        "networks": [
            {
                "heading": heading,
                "url": pictures.data_url(pictures.over(photo, heat), SIDE),
                **_says(found, seen, place, target),
            }
            for heading, heat, seen in zip(headings, heats, (found.teacher, found.student), strict=True)
        ],
    }


def _says(found: Survey, seen: NetworkMaps, place: int, target: int) -> dict[str, object]:
    best = int(seen.predicted[place])
    return {
        "says": found.classes[best],
        "share": formatting.percent(seen.probabilities[place, best], 0),
        "right": best == target,
    }
