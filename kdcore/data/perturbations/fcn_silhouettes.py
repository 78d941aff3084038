"""Silhouettes by segmentation: the pixels of any object that a segmentation network finds, black on white.

The fifth of the reproduced projects built its shape set so, and every network was near chance on it. Look at the
preview before you read a figure: where nothing is found the image is all white.
"""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation import fcn_resnet50

from kdcore.data.perturbations.base import Clean, Perturbation, Perturbed
from kdcore.data.perturbations.pixels import like
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.models import torchvision_files
from kdcore.runtime import interruption

NAME = "fcn_resnet50"
CLASSES = 21  # of PASCAL VOC; the first is the background
SIDE = 256  # smaller images are enlarged to it; the network was trained at 520
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FcnSilhouettes(Perturbation):
    """By torchvision's FCN-ResNet50, trained on COCO with the classes of PASCAL VOC; one image at a time."""

    title = "Silhouettes (segmented)"
    summary = "What a segmentation network takes for an object, as a black area on white: the outline alone."
    probes = "shape"
    parameter = "none (black on white)"
    strengths = (1,)
    usual = 1
    source = "Long et al., CVPR 2015, https://arxiv.org/abs/1411.4038, with torchvision's weights"
    needs = f"torchvision's weights of {NAME} (135 MB) in `weights` of the data folder or in PyTorch's cache"
    cached = True

    def why_not(self, split: Split) -> str:
        return torchvision_files.missing(NAME)

    def download(self) -> None:
        torchvision_files.download(NAME)

    @cached_property
    def network(self) -> nn.Module:
        """The segmentation network in eval mode. Raises UserError."""
        state = {name: value for name, value in torchvision_files.state(NAME).items() if not name.startswith("aux_")}
        with torch.device("meta"):
            net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES)
        try:
            net.load_state_dict(state, assign=True)
        except RuntimeError:
            raise UserError(
                f"{torchvision_files.found(NAME)} does not have the weights of {NAME}: {torchvision_files.url(NAME)}"
            ) from None
        return net.eval().requires_grad_(requires_grad=False)

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        net = self.network.to(clean.images.device)
        found = []
        for image in clean.images.float().contiguous():
            interruption.check()
            found.append(objects(net, image))
        white = ~torch.stack(found)
        return Perturbed(like(white[:, None].expand(-1, 3, -1, -1), clean.images))


@torch.no_grad()
def objects(net: nn.Module, image: Tensor) -> Tensor:
    """Which pixels belong to any object: [3, H, W] in [0, 1] -> bool [H, W]."""
    mean, std = (torch.tensor(values, device=image.device)[:, None, None] for values in (MEAN, STD))
    size = [max(side, round(side * SIDE / min(image.shape[1:]))) for side in image.shape[1:]]
    shown = F.interpolate(((image - mean) / std)[None], size, mode="bilinear", antialias=True)
    scores = net(shown)["out"]
    return F.interpolate(scores, image.shape[1:], mode="bilinear", antialias=True)[0].argmax(dim=0) > 0
