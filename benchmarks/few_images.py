"""What a run of few steps learns: accuracy and predicted classes, as it ends and with BatchNorm's statistics computed anew.

    python -m benchmarks.few_images      two CPU minutes; CIFAR-10 is in the data folder

Cats, ships and trucks of CIFAR-10 as a folder of 60, 40 and 20 images, one network, labels alone, one random seed.
"""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

import kdcore as kd
from kdcore.data import loading
from kdcore.data.batches import batches
from kdcore.recipe import DataRecipe
from kdcore.training import evaluation

IMAGES = {"cat": 60, "ship": 40, "truck": 20}
RUNS = ((64, 3), (64, 10), (32, 10), (32, 40), (64, 50))  # batch size, epochs


def main() -> None:
    torch.set_num_threads(1)
    print(
        "| batch size | epochs | steps | accuracy | predicted | with new statistics | predicted |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        save_images(Path(folder))
        for batch_size, epochs in RUNS:
            print(
                "| " + " | ".join([str(batch_size), str(epochs), *row(folder, batch_size, epochs)]) + " |", flush=True
            )


def save_images(folder: Path) -> None:
    split = loading.load(DataRecipe(name="cifar10"), "train")
    for name, number in IMAGES.items():
        (folder / name).mkdir()
        chosen = (split.targets == split.classes.index(name)).nonzero()[:number, 0]
        for place in chosen.tolist():
            Image.fromarray(split.images[place].permute(1, 2, 0).numpy()).save(folder / name / f"{place}.png")


def row(folder: str, batch_size: int, epochs: int) -> Sequence[str]:
    """Steps, accuracy and predictions as they are, and with new statistics."""
    parts = kd.build(
        kd.Recipe.model_validate(
            {
                "name": "few", "student": {"model": "three_stage_cnn_16"}, "optimizer": {"lr": 4e-3}, "epochs": epochs,
                "data": {"name": "folder", "path": folder, "image_size": 32, "batch_size": batch_size, "augment": ["flip"]},
            }
        )
    )  # fmt: skip
    for _ in kd.train(parts):
        pass
    student = parts.learners["student"].distiller.student
    anew = copy.deepcopy(student)
    for module in anew.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    anew.train()
    with torch.no_grad():
        for batch in batches(parts.train, batch_size, seed=0, epoch=0):
            anew(batch.images, frozenset({"logits"}))
    found = [str(parts.steps)]
    for network in (student, anew.eval()):
        predicted = evaluation.logits(network, parts.test).argmax(1)
        counts = torch.bincount(predicted, minlength=len(IMAGES)).tolist()
        found += [f"{100 * (predicted == parts.test.targets).float().mean():.1f} %", ", ".join(map(str, counts))]
    return found


if __name__ == "__main__":
    main()
