"""The images of the job: a part of CIFAR-10 as PNG files in class folders, which all variants read."""

from pathlib import Path

import numpy as np
from PIL import Image

from kdcore.data import loading
from kdcore.recipe import DataRecipe

TRAIN, TEST = 4_096, 2_000


def write(folder: Path, data: DataRecipe | None = None) -> np.ndarray:
    """Write train/CLASS/NUMBER.png and test/CLASS/NUMBER.png; returns the true classes [n] of the test images, by class and name."""
    data = data or DataRecipe(name="cifar10", image_size=32, train_images=TRAIN, test_images=TEST, validation=0)
    classes = np.empty(0, dtype=np.int64)
    for name in ("train", "test"):
        split = loading.load(data, name)
        classes = split.targets.numpy()
        for number, (pixels, target) in enumerate(zip(split.images.permute(0, 2, 3, 1).numpy(), classes, strict=True)):
            path = folder / name / split.classes[target] / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, compress_level=1)
    return np.sort(classes)
