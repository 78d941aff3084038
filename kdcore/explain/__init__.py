"""Where a network looks: heatmaps, how they are drawn, and how far they can be trusted.

    maps/       one file a map, whose name is the map's name
    heatmaps    a model, images and the name of a map -> heatmaps [B, H, W]
    quality/    what judges maps: agreement of two, faithfulness, localization, randomization

Every map is a distribution over the model's own grid: no value below 0, the sum 1.
"""

from kdcore.explain.heatmaps import (
    METHODS,
    Explanation,
    affinity,
    default_map,
    every_map,
    explain,
    heatmap,
    layers_and_heads,
    methods_for,
)
from kdcore.explain.maps.base import Ask, EmptyMap, MethodCard, NotDefined
from kdcore.explain.quality.agreement import METRICS, agreement
from kdcore.explain.ready import ready

__all__ = [
    "METHODS",
    "METRICS",
    "Ask",
    "EmptyMap",
    "Explanation",
    "MethodCard",
    "NotDefined",
    "affinity",
    "agreement",
    "default_map",
    "every_map",
    "explain",
    "heatmap",
    "layers_and_heads",
    "methods_for",
    "ready",
]
