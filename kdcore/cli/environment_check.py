"""`check-environment` (also `doctor`): packages, device, memory, disk, data and models, and how to fix what is missing."""

import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.console import Console

from kdcore.cli.options import Json
from kdcore.data import datasets
from kdcore.paths import data_folder, runs_folder, test_data_folder
from kdcore.recipe import DataRecipe
from kdcore.results import json_text
from kdcore.runtime import cores, memory

PACKAGES = (
    "torch", "torchvision", "timm", "streamlit", "altair", "pillow", "opencv-python-headless", "safetensors", "pydantic",
)  # fmt: skip
GIB = 2**30

app = App(name="check-environment")


@app.default
def check_environment(*, as_json: Json = False) -> int:
    """Check this machine: packages, device, memory, disk, datasets, bundled models, and how to fix what is missing."""
    findings = examine()
    if as_json:
        print(json_text.text(findings))
    else:
        show(findings)
    return 0


def examine() -> dict[str, Any]:
    """All findings as plain data. `advice` is how to fix what is missing."""
    import torch

    from kdcore import models

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    folders = {"runs": runs_folder(), "data": data_folder()}
    free = {name: shutil.disk_usage(_existing(folder)).free / GIB for name, folder in folders.items()}
    present = {name: not datasets.of(DataRecipe(name=name)).missing() for name in datasets.names("drawn", "downloaded")}
    bundled = models.bundled()
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "device": gpus[0] if gpus else "cpu",
        "gpus": gpus,
        "cpu_cores": cores.count(),
        "memory_free_gib": memory.free() / GIB,
        "disk_free_gib": free,
        "folders": {name: str(folder) for name, folder in folders.items()},
        "data": present,
        "test_data": str(test_data_folder()) if test_data_folder().is_dir() else None,
        "bundled_models": {name: card["accuracy"]["top1"] for name, card in bundled.items()},
        "data_classes": _class_counts(),
    }
    return {**found, "advice": list(_advice(found, folders))}


def _advice(found: dict[str, Any], folders: dict[str, Path]) -> Iterator[str]:
    """How to fix what is missing, a sentence each."""
    if not found["gpus"]:
        yield "PyTorch finds no GPU, so runs use the CPU. The recipe `quick` takes two to four minutes on two cores."
    for name, folder in folders.items():
        if (free := found["disk_free_gib"][name]) < 2:
            yield f"Only {free:.1f} GiB are free for {name} in {folder}. KD_{name.upper()} sets another folder."
    if not found["bundled_models"]:
        yield "There are no bundled models in assets/models: the checkout is incomplete."
    for name in (name for name, there in found["data"].items() if not there):
        yield (
            f"{name} is not in {folders['data']}: a run that uses it downloads it; without a network, put it there. "
            f"Datasets without a download: {', '.join(datasets.names('drawn', 'folder'))}."
        )
    memory = found["memory_free_gib"]
    if memory is not None and memory < 2:
        yield f"Only {memory:.1f} GiB of memory are free: use small images and batches."


def show(findings: dict[str, Any]) -> None:
    """Print the findings."""
    console = Console(highlight=False, markup=False)
    console.print(f"Python {findings['python']}; " + ", ".join(f"{k} {v}" for k, v in findings["packages"].items()))
    console.print(f"device   {findings['device']}, {findings['cpu_cores']} CPU cores")
    if findings["memory_free_gib"] is not None:
        console.print(f"memory   {findings['memory_free_gib']:.1f} GiB free")
    for name, folder in findings["folders"].items():
        console.print(f"{name:8} {folder} ({findings['disk_free_gib'][name]:.0f} GiB free)")
    present = [f"{name}{'' if here else ' (missing)'}" for name, here in findings["data"].items()]
    console.print(f"datasets {', '.join(present)}")
    accuracies = [f"{name} {100 * top1:.1f} %" for name, top1 in findings["bundled_models"].items()]
    console.print(f"models   {', '.join(accuracies) or 'none'}")
    for line in findings["advice"]:
        console.print(f"- {line}", style="yellow")
    if not findings["advice"]:
        console.print("Nothing is missing.", style="green")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


def _class_counts() -> dict[str, int]:
    return {name: len(datasets.of(DataRecipe(name=name)).classes) for name in datasets.names("drawn", "downloaded")}
