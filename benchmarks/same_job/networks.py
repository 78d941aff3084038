"""The networks of the job, which all variants build here: images in [0, 1] -> logits."""

import torch
from torch import Tensor, nn

from kdcore import models
from kdcore.models.tapped import LOGITS, Tapped
from kdcore.recipe import ModelRecipe

TEACHER = "cifar10-cnn"
STUDENT = ModelRecipe(model="three_stage_cnn_16")
SIZE = 32


class Classifier(nn.Module):
    """A network of this project as others expect it."""

    def __init__(self, network: Tapped) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images, LOGITS).logits


def teacher() -> Classifier:
    return Classifier(models.load(TEACHER)).eval()


def student(seed: int, classes: tuple[str, ...]) -> Classifier:
    """The student with the weights with which a run of this random seed begins."""
    torch.manual_seed(seed)
    return Classifier(models.trainable(models.build(STUDENT, classes, SIZE)))
