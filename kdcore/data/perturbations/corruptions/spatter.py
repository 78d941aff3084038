"""Spatter: drops of water or mud on the lens."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from kdcore.data.perturbations import randomness, resampling
from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.corruptions import SEVERITIES, SEVERITY, SOURCE, USUAL, at_severity
from kdcore.data.perturbations.pixels import LEVELS, finished


@dataclass(frozen=True)
class Liquid:
    """mean, deviation: of the noise. sigma: of its blur, in pixels. threshold: below it there is no drop. amount: of water, the
    strength of its colour; of mud, the sigma of its edges, in pixels. mud: whether it is mud."""

    mean: float
    deviation: float
    sigma: float
    threshold: float
    amount: float
    mud: bool


SETTINGS = (
    Liquid(0.62, 0.1, 0.7, 0.7, 0.5, mud=False),
    Liquid(0.65, 0.1, 0.8, 0.7, 0.5, mud=False),
    Liquid(0.65, 0.3, 1, 0.69, 0.5, mud=False),
    Liquid(0.65, 0.1, 0.7, 0.69, 0.6, mud=True),
    Liquid(0.65, 0.1, 0.5, 0.68, 0.6, mud=True),
)
WATER, MUD = (175, 238, 238), (63, 42, 20)
EDGES = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


class Spatter(Perturbation):
    title = "Spatter"
    summary = "Drops of water (severities 1 to 3) or mud (4 and 5) on the lens."
    probes = "corruption"
    parameter = SEVERITY
    strengths = SEVERITIES
    usual = USUAL
    source = SOURCE
    cached = True

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        liquid = at_severity(SETTINGS, strength, "spatter")
        (height, width), scale = clean.images.shape[2:], resampling.scale(clean.images)
        noise = randomness.normal(clean.keys, (1, height, width), stream=1) * liquid.deviation + liquid.mean
        layer = resampling.gaussian(noise, liquid.sigma * scale)
        layer = layer.masked_fill(layer < liquid.threshold, 0.0)
        if liquid.mud:
            mud = resampling.gaussian((layer > liquid.threshold).float(), liquid.amount * scale)
            mud = mud.masked_fill(mud < 0.8, 0.0).to(clean.images)
            found = clean.images * (1 - mud) + mud * _colour(MUD, clean.images)
        else:
            drops = torch.from_numpy(np.stack([water(each[0]) for each in layer.cpu().numpy()])).to(clean.images)
            found = clean.images + liquid.amount * drops[:, None] * _colour(WATER, clean.images)
        return Perturbed(finished(found, clean.images))


def water(layer: np.ndarray) -> np.ndarray:
    """How much water is on each pixel, with the light on the drops' edges: [H, W] -> [H, W] in [0, 1]."""
    liquid = (layer * LEVELS).astype(np.uint8)
    distance = cv2.distanceTransform(LEVELS - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    lit = cv2.blur(cv2.filter2D(distance, cv2.CV_8U, EDGES), (3, 3)).astype(np.float32)
    found = liquid * lit
    return found / max(float(found.max()), 1.0)  # without a drop there is no water


def _colour(rgb: tuple[int, int, int], images: Tensor) -> Tensor:
    return images.new_tensor(rgb)[:, None, None] / LEVELS
