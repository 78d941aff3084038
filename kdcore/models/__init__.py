"""Networks: a name -> a tapped model, images in [0, 1] -> Outputs. Ours, timm's and torchvision's behind one door.

    model = models.build(ModelRecipe(model="vit_tiny_patch16_224"), classes, image_size=224)
    outputs = model(images, frozenset({"features", "attention"}))

`weights` says where trained ones come from and go to, `zoo` which networks there are, `taps` how outputs are read.
"""

from kdcore.models.cost import describe, flops, parameters
from kdcore.models.folding import quick
from kdcore.models.placing import placed, trainable
from kdcore.models.tapped import Tapped, in_eval
from kdcore.models.weights import build, bundled, import_weights, load, save
from kdcore.models.zoo import catalogue, check, default_image_size, names

__all__ = [
    "Tapped", "build", "bundled", "catalogue", "check", "default_image_size", "describe", "flops", "import_weights",
    "in_eval", "load", "names", "parameters", "placed", "quick", "save", "trainable",
]  # fmt: skip
