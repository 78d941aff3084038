"""Networks of this project, timm and torchvision behind one interface: images in [0, 1] -> Outputs.

    model = models.build(ModelRecipe(model="vit_tiny_patch16_224"), classes, image_size=224)
    outputs = model(images, frozenset({"features", "attention"}))

`building` makes the network of a recipe. `own` lists the networks of this project, `zoo` all networks by name; `sources` finds
trained weights, `pretrained` gets those of the libraries, `weight_files` stores weights, `importing` converts others, and `taps`
reads the outputs.
"""

from kdcore.models.bn_folding import quick
from kdcore.models.building import build, load, missing
from kdcore.models.cost import describe, flops, parameters, shapes_only
from kdcore.models.importing import import_weights
from kdcore.models.placing import placed, trainable
from kdcore.models.sources import bundled, resolved
from kdcore.models.tapped import Tapped, in_eval
from kdcore.models.weight_files import save
from kdcore.models.zoo import catalogue, check, default_image_size, names

__all__ = [
    "Tapped", "build", "bundled", "catalogue", "check", "default_image_size", "describe", "flops", "import_weights",
    "in_eval", "load", "missing", "names", "parameters", "placed", "quick", "resolved", "save", "shapes_only", "trainable",
]  # fmt: skip
