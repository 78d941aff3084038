"""The edge drawings of Geirhos et al.: the lines of objects without any texture or colour."""

from kdcore.data import texture_vs_shape
from kdcore.data.perturbations.base import OwnSet, Perturbation
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe


class GeirhosEdges(Perturbation):
    """Of the 160 published drawings those of the classes that the data has."""

    title = "Edges (Geirhos et al.)"
    summary = "Black lines on white, as published: the shape alone, without texture, colour or area."
    probes = "shape"
    parameter = "none: the images as published"
    strengths = (1,)
    usual = 1
    source = texture_vs_shape.SOURCE
    own_images = True

    def why_not(self, split: Split) -> str:
        return texture_vs_shape.why_not("edges", split.classes)

    def own(self, data: DataRecipe, split: Split) -> OwnSet:
        return texture_vs_shape.own("edges", split)
