"""The cue conflicts of `cues`: drawn shapes that never have their own texture; both labels are known exactly."""

import torch

from kdcore.data import drawing, loading
from kdcore.data.perturbations.base import OwnSet, Perturbation
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe
from kdcore.tensors.outputs import NO_LABEL

POOL = "cue_conflict"


class CuesConflict(Perturbation):
    """The pool `cue_conflict` of the dataset: as many images as its test split has, none of them in the test split."""

    title = "Cue conflict (cues)"
    summary = "Drawn shapes in the texture of another shape: does a network follow the shape or the texture?"
    probes = "cue conflict"
    parameter = "none (the images as drawn)"
    strengths = (1,)
    usual = 1
    source = "This project, kdcore/data/datasets/cues.py; the question is that of Geirhos et al., ICLR 2019"
    needs = "the dataset `cues`"
    conflict = True
    own_images = True

    def why_not(self, split: Split) -> str:
        return "" if set(split.classes) <= set(drawing.SHAPES) else "it is drawn for the dataset cues alone"

    def own(self, data: DataRecipe, split: Split) -> OwnSet:
        side, device = split.images.shape[-1], split.targets.device
        found = loading.load(data.model_copy(update={"image_size": side}), POOL, device=device)
        shapes = list(drawing.SHAPES)  # the texture at the same place is a shape's own
        places = [found.classes.index(shape) if shape in found.classes else NO_LABEL for shape in shapes]
        textures = torch.tensor(places, device=device)[found.extras["textures"]]
        return OwnSet(found, textures, tuple((place,) for place in range(len(found.classes))))
