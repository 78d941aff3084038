"""What is killed: tiny runs with every phase, a study, an export, an import and a deletion. Each function runs in a process of its own."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from kdcore import recipe as recipes
from kdcore.cli import main
from kdcore.data import reading
from kdcore.recipe import Recipe, study
from kdcore.runner import Runner
from kdcore.store import RESUMABLE, Store, Studies

OUT = "student.safetensors"
STATE = "student.pth"
PLAIN = {
    "name": "faults",
    "data": {"name": "folder", "image_size": 32, "validation": 0.2, "batch_size": 8, "augment": ["flip", "crop"]},
    "teacher": {
        "model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}, "finetune": {"epochs": 2},
        "cache_views": 2, "accept": True,
    },
    "student": {"model": "three_stage_cnn_16"},
    "twin": True,
    "terms": [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0}],
    "epochs": 3,
    "checkpoint_every": 0.5,
    "probes": {"images": 2},
}  # fmt: skip
Work = Callable[[Path], None]


def folders(place: Path) -> Store:
    """Let this process work in a folder of its own."""
    os.environ["KD_RUNS"], os.environ["KD_DATA"] = str(place / "runs"), str(place / "data")
    torch.set_num_threads(1)
    return Store(place / "runs")


def draw_images(folder: Path) -> None:
    """Three classes of noise of different colours, 24 training and 6 test images each."""
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        for label, name in enumerate(("blue", "green", "red")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 160, (32, 32, 3), dtype=np.uint8)
                pixels[:, :, label] += 90
                Image.fromarray(pixels).save(folder / split / name / f"{number:03d}.png")


def recipe(place: Path, data: str = "folder") -> Recipe:
    own = {"path": str(place.parent / "images")} if data == "folder" else {"train_images": 60, "test_images": 20}
    return recipes.from_plain({**PLAIN, "data": {**PLAIN["data"], "name": data, **own}})  # type: ignore[dict-item]


def from_disk() -> None:
    """Decode the images into a file, as for a split that does not fit main memory."""
    reading.SHARE = 0.0


def train(place: Path, data: str) -> None:
    """Start the run or, after a kill, resume it where it has begun."""
    store = folders(place)
    if data == "folder":
        from_disk()
    runner = Runner(store, device="cpu", threads=1)
    unfinished = [state.id for state in store.states() if state.status in (*RESUMABLE, "created")]
    if unfinished:
        runner.resume(unfinished[0])
    ids = unfinished or store.ids() or runner.start(recipe(place, data))
    runner.wait(ids[0])
    runner.close()


def train_on_a_folder(place: Path) -> None:
    train(place, "folder")


def train_on_drawn_images(place: Path) -> None:
    train(place, "cues")


def run_study(place: Path) -> None:
    """Two variants of one seed; resumed where it has begun."""
    store = folders(place)
    runner = Runner(store, device="cpu", threads=1)
    known = Studies(store)
    if ids := known.ids():
        runner.resume_study(ids[0])
    else:
        plain = recipe(place, "cues").model_dump(mode="json", exclude_defaults=True) | {"epochs": 1}
        vary = {"terms.1.temperature": [1.0, 4.0]}
        ids = [runner.start_study(study.from_plain({"name": "faults", "recipe": plain, "vary": vary, "seeds": [0]}))]
    for point in known.state(ids[0]).places:
        runner.wait(point.run_id)
    runner.close()


def export(place: Path) -> None:
    """Export the student of a finished run."""
    store = folders(place)
    assert main(["export", f"run:{store.ids()[0]}/student", str(place / OUT)]) == 0


def import_weights(place: Path) -> None:
    """Import a checkpoint of torch.save."""
    folders(place)
    command = ["import-weights", str(place / STATE), "--model", "resnet20", "--data", "cifar10", "--image-size", "32"]
    assert main([*command, "--out", str(place / OUT)]) == 0


def delete(place: Path) -> None:
    """Delete the run; after a kill, whatever is left of it."""
    store = folders(place)
    Runner(store, device="cpu", threads=1).close()
    for run_id in store.ids():
        store.delete(run_id)


def with_a_finished_run(place: Path) -> None:
    """Before an export or a deletion: a copy of the unbroken run."""
    shutil.copytree(place.parent / "unbroken" / "cues" / "runs", place / "runs")


def with_a_checkpoint(place: Path) -> None:
    """Before an import: the state dict of a network with random weights."""
    from kdcore import models
    from kdcore.recipe import ModelRecipe

    torch.manual_seed(0)
    classes = tuple("abcdefghij")
    torch.save(models.build(ModelRecipe(model="resnet20"), classes, 32).net.state_dict(), place / STATE)
