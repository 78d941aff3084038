"""The cue conflicts of Geirhos et al.: images of one class with the texture of another, by style transfer; both labels known."""

from kdcore.data.perturbations.base import OwnSet, Perturbation
from kdcore.data.perturbations.stimuli import published
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe


class Geirhos(Perturbation):
    """Of the 1,280 published images those between the classes that the data has, and whose shape and texture differ."""

    title = "Cue conflict (Geirhos et al.)"
    summary = "Images of one class with another class's texture, as published: does a network follow the shape or the texture?"
    probes = "cue conflict"
    parameter = "none (the images as published)"
    strengths = (1,)
    usual = 1
    source = published.SOURCE
    needs = published.NEEDS.format("style-transfer-preprocessed-512")
    conflict = True
    own_images = True

    @property
    def material(self) -> str:
        return published.fingerprint("style-transfer")

    def why_not(self, split: Split) -> str:
        return published.why_not("style-transfer", split.classes)

    def own(self, data: DataRecipe, split: Split) -> OwnSet:
        return published.own("style-transfer", split)
