"""The measured pairs of teacher and student: four, and a fifth for the libraries."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from kdcore.models import zoo

CLASSES = 10
Options = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Teacher, student and loss.

    terms: as in a recipe, besides cross-entropy and `kd`.
    train_images: few, as only time is measured; a whole number of batches, but at least two.
    gpu_batch: batch size on a GPU.
    steps: of the script in a turn; faster variants take more, so that their turns are not too short.
    """

    title: str
    teacher: str
    student: str
    size: int
    batch: int
    gpu_batch: int
    steps: int
    train_images: int
    terms: tuple[Options, ...] = ()
    augment: tuple[str, ...] = ("flip",)
    teacher_options: Options = field(default_factory=dict)
    student_options: Options = field(default_factory=dict)
    optimizer: str = "adamw"


PAIRS = {
    "a": Pair(
        "ViT-Tiny/16 -> three-stage CNN at 224, KD + attention maps",
        "vit_tiny_patch16_224", "three_stage_cnn", 224, 16, 256, 1, 32,
        terms=({"method": "attention", "weight": 0.1, "layers": "uniform"},),
        student_options={"convolutions": [2, 3, 3]},
    ),
    "b": Pair(
        "ResNet-18 -> five convolutions at 32, KD + hint",
        "torchvision/resnet18", "five_conv", 32, 128, 1024, 4, 512,
        terms=({"method": "fitnets", "options": {"pairs": [[1, 1]], "align": "bilinear", "standardise": False}},),
        augment=("flip", "crop"),
        teacher_options={"small_stem": True},
    ),
    "c": Pair(
        "DeiT-Small -> ResNet-50 at 224, KD",
        "deit_small_patch16_224", "torchvision/resnet50", 224, 8, 256, 1, 16,
    ),
    "d": Pair(
        "ViT-B/16 -> ResNet-50 at 224, KD", "vit_base_patch16_224", "torchvision/resnet50", 224, 8, 256, 1, 16
    ),
}  # fmt: skip
LIBRARIES = Pair(
    "ResNet-56 -> ResNet-20 at 32, KD", "resnet56", "resnet20", 32, 64, 1024, 10, 512,
    augment=("flip", "crop"), optimizer="sgd",
)  # fmt: skip


def networks(pair: Pair) -> tuple[nn.Module, nn.Module]:
    """Teacher and student as their libraries build them, with random weights."""
    return (
        zoo.create(pair.teacher, CLASSES, pair.size, pair.teacher_options),
        zoo.create(pair.student, CLASSES, pair.size, pair.student_options),
    )


def draw_photos(folder: Path, train_images: int) -> Path:
    """Synthetic JPEGs of 32 px in class folders: train/CLASS and test/CLASS."""
    random = np.random.default_rng(0)
    for split, count in (("train", train_images), ("test", 2 * CLASSES)):
        for number in range(count):
            coarse = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            file = io.BytesIO()
            coarse.resize((32, 32), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
            place = folder / split / f"class {number % CLASSES}" / f"{number:05}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.getvalue())
    return folder
