"""The edge drawings of Geirhos et al.: the lines of objects without any texture or colour."""

from kdcore.data.perturbations.base import OwnSet, Perturbation
from kdcore.data.perturbations.stimuli import published
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe


class GeirhosEdges(Perturbation):
    """Of the 160 published drawings those of the classes that the data has; at 32 pixels their lines become a faint grey."""

    title = "Edges (Geirhos et al.)"
    summary = "Black lines on white, as published: the shape alone, without texture, colour or area."
    probes = "shape"
    parameter = "none (the images as published)"
    strengths = (1,)
    usual = 1
    source = published.SOURCE
    needs = published.NEEDS.format("edges")
    own_images = True

    @property
    def material(self) -> str:
        return published.fingerprint("edges")

    def why_not(self, split: Split) -> str:
        return published.why_not("edges", split.classes)

    def own(self, data: DataRecipe, split: Split) -> OwnSet:
        return published.own("edges", split)
