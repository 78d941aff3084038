"""The silhouettes of Geirhos et al.: objects as black areas on white."""

from kdcore.data.perturbations.base import OwnSet, Perturbation
from kdcore.data.perturbations.stimuli import published
from kdcore.data.split import Split
from kdcore.recipe import DataRecipe


class GeirhosSilhouettes(Perturbation):
    """Of the 160 published silhouettes those of the classes that the data has."""

    title = "Silhouettes (Geirhos et al.)"
    summary = (
        "Objects as black areas on white, as published: the outline alone, without texture, colour or inner lines."
    )
    probes = "shape"
    parameter = "none (the images as published)"
    strengths = (1,)
    usual = 1
    source = published.SOURCE
    needs = published.NEEDS.format("filled-silhouettes")
    own_images = True

    @property
    def material(self) -> str:
        return published.fingerprint("filled-silhouettes")

    def why_not(self, split: Split) -> str:
        return published.why_not("filled-silhouettes", split.classes)

    def own(self, data: DataRecipe, split: Split) -> OwnSet:
        return published.own("filled-silhouettes", split)
