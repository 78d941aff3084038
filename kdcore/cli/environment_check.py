"""`doctor`: what this machine has, what it lacks, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from kdcore import models
from kdcore.paths import data_folder, runs_folder, test_data_folder
from kdcore.recipe import DataRecipe

PACKAGES = ("torch", "torchvision", "timm", "streamlit", "altair", "pillow", "opencv-python", "safetensors", "pydantic")
GIB = 2**30


def examine() -> dict[str, Any]:
    """Everything that the doctor looks at, as plain data. `advice` says what to do about what is missing."""
    import torch

    advice: list[str] = []
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if not gpus:
        advice.append(
            "No GPU that PyTorch can use: runs go to the CPU. The quick recipe takes two minutes on two cores."
        )
    folders = {"runs": runs_folder(), "data": data_folder()}
    free = {name: shutil.disk_usage(_existing(folder)).free / GIB for name, folder in folders.items()}
    for name, folder in folders.items():
        if free[name] < 2:
            advice.append(f"Only {free[name]:.1f} GiB free for {name} in {folder}; KD_{name.upper()} moves it.")
    bundled = models.bundled()
    if not bundled:
        advice.append("No bundled models in assets/models: the checkout is not complete.")
    datasets = {
        "cues": True,
        "cifar10": _has(data_folder() / "cifar-10-batches-py"),
        "cifar100": _has(data_folder() / "cifar-100-python"),
    }
    for name in (name for name, there in datasets.items() if not there):
        advice.append(
            f"{name} is not in {data_folder()}: it is downloaded when a run that uses it starts, or put there by hand. `cues` needs nothing."
        )
    memory = _memory_gib()
    if memory is not None and memory < 2:
        advice.append(f"Only {memory:.1f} GiB of memory are free: take small images and batches.")
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "device": gpus[0] if gpus else "cpu",
        "gpus": gpus,
        "cpu_cores": os.cpu_count(),
        "memory_free_gib": memory,
        "disk_free_gib": free,
        "folders": {name: str(folder) for name, folder in folders.items()},
        "data": datasets,
        "test_data": str(test_data_folder()) if test_data_folder().is_dir() else None,
        "bundled_models": {name: card["accuracy"]["top1"] for name, card in bundled.items()},
        "data_classes": _class_counts(),
        "advice": advice,
    }


def show(findings: dict[str, Any]) -> None:
    """The findings as a page of text."""
    console = Console(highlight=False)
    console.print(f"Python {findings['python']}; " + ", ".join(f"{k} {v}" for k, v in findings["packages"].items()))
    console.print(f"device   {findings['device']}, {findings['cpu_cores']} CPU cores")
    if findings["memory_free_gib"] is not None:
        console.print(f"memory   {findings['memory_free_gib']:.1f} GiB free")
    for name, folder in findings["folders"].items():
        console.print(f"{name:8} {folder} ({findings['disk_free_gib'][name]:.0f} GiB free)")
    there = [f"{name}{'' if has else ' (missing)'}" for name, has in findings["data"].items()]
    console.print(f"datasets {', '.join(there)}")
    told = [f"{name} {top1:.1%}" for name, top1 in findings["bundled_models"].items()]
    console.print(f"models   {', '.join(told) or 'none'}")
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


def _has(folder: Path) -> bool:
    return folder.is_dir()


def _class_counts() -> dict[str, int]:
    from kdcore import data

    return {name: len(data.classes(DataRecipe(name=name))) for name in ("cues", "cifar10", "cifar100")}


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    except (ValueError, OSError, AttributeError):
        return None
