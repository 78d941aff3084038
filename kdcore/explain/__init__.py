"""Heatmaps of where a network looks: computed, drawn, and tested for how far they can be trusted.

    maps/       one file a map, whose name is the map's name
    heatmaps    a model, images and the name of a map -> heatmaps [B, H, W]
    quality/    what tests maps: agreement of two, faithfulness, localization, randomization

Every map is a distribution over the model's own grid: no value below 0, the sum 1.
"""

from kdcore.errors import EmptyMap, NotDefined
from kdcore.explain.base import MapCard, MapOptions
from kdcore.explain.heatmaps import (
    Explanation,
    affinity,
    affinity_map,
    counterpart,
    default_map,
    every_map,
    explain,
    heatmap,
    layers_and_heads,
    maps_for,
)
from kdcore.explain.maps import card as map_card
from kdcore.explain.maps import cards as map_cards
from kdcore.explain.maps import names as map_names
from kdcore.explain.quality.agreement import METRICS, agreement
from kdcore.explain.ready import ready

__all__ = [
    "METRICS",
    "EmptyMap",
    "Explanation",
    "MapCard",
    "MapOptions",
    "NotDefined",
    "affinity",
    "affinity_map",
    "agreement",
    "counterpart",
    "default_map",
    "every_map",
    "explain",
    "heatmap",
    "layers_and_heads",
    "map_card",
    "map_cards",
    "map_names",
    "maps_for",
    "ready",
]
