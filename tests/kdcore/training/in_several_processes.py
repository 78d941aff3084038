"""A program that is started once for each process: what several processes compute, for tests to compare with one.

python -m tests.kdcore.training.in_several_processes FOLDER      with torchrun's variables; the first process writes results
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.events import CheckpointReady, Evaluated, GradientsMeasured, Noted, RunFinished, StepEnded, TermMeasured
from kdcore.recipe import Recipe
from kdcore.runtime import distributed, processes
from kdcore.runtime.batch_norm import SynchronisedBatchNorm
from kdcore.runtime.distributed import ALONE, Process
from kdcore.setup.build import build_parts
from kdcore.store.run_files import checkpoint
from kdcore.training import replicas
from kdcore.training.loop import train
from kdcore.training.state import Parts
from kdcore.weighting import gradients
from tests.kdcore.conftest import TINY

DATA = {**TINY["data"], "train_images": 60, "batch_size": 15, "test_images": 20}
VIT = {**TINY["teacher"], "accept": True}
CNN = {"model": "three_stage_cnn_16", "accept": True}
LABELS_WITHHELD = {**DATA, "labels": 20}
# Adam divides gradients near zero, which are rounding errors, by their own size
SGD = {"name": "sgd", "lr": 1e-3}
RECIPES: dict[str, dict[str, Any]] = {
    "memory, selection, learned weights, parts of a batch": {
        "data": LABELS_WITHHELD,
        "optimizer": {**SGD, "accumulate": 2, "clip": 1.0},
        "weighting": "uncertainty",
        "terms": [
            {"method": "ce"}, {"method": "kd", "temperature": 2.0}, {"method": "attention"}, {"method": "dkd"},
            {"method": "ofa"}, {"method": "crd", "options": {"negatives": 64}}, {"method": "fitnets", "options": {"select": 1, "every": 1}},
        ],
    },
    "relations between images, weights by gradients": {
        "optimizer": {},
        "weighting": "gradients",
        "terms": [{"method": "ce"}, {"method": "rkd"}, {"method": "sp"}, {"method": "dist", "temperature": 4.0}],
    },
    "maps, mixed images, averaged weights, adapted weight": {
        "teacher": CNN,
        "data": {**DATA, "mixup": 0.5, "cutmix": 0.5},
        "optimizer": {**SGD, "ema": 0.9},
        "terms": [
            {"method": "ce"}, {"method": "attention_transfer"}, {"method": "cat_kd", "weight": 0.1},
            {"method": "review_kd"},
            {"method": "fitnets", "adapt": {"watch": "ce", "patience": 1, "factor": 0.5}},
        ],
    },
    "further views": {
        "optimizer": {**SGD, "lr": 1e-4},"terms": [{"method": "ce"}, {"method": "sskd", "options": {"head_steps": 2}}, {"method": "capd"}]},
    "a ViT as the student, cached outputs": {
        "teacher": {**CNN, "cache_views": 2},
        "student": TINY["teacher"],
        "terms": [{"method": "ce"}, {"method": "cskd"}, {"method": "locality_guidance"}, {"method": "vlfkd"}],
    },
}  # fmt: skip


def recipe(name: str, **changes: Any) -> Recipe:
    plain = {
        **TINY,
        "optimizer": SGD,
        "data": DATA,
        "teacher": VIT,
        "epochs": 2,
        "probes": {"images": 0},
        **RECIPES[name],
        **changes,
    }
    return recipes.from_plain(plain)


def built(of: Recipe) -> Parts:
    torch.set_num_threads(1)
    building = build_parts(of, seed=0, device=torch.device("cpu"))
    while True:
        try:
            next(building)
        except StopIteration as ended:
            parts: Parts = ended.value
            return parts


def numbers(parts: Parts, keep: Path | None = None) -> list[Any]:
    """All numbers that a run logs, in their order.

    Args:
        keep: a file for the state after the first epoch.
    """
    # Otherwise measured time would decide what is measured. The first process decides for all, so others may have a budget.
    budget = 0.0 if parts.process.first else 1e9
    with mock.patch.object(gradients, "BUDGET", budget):
        return list(logged(parts, keep))


def logged(parts: Parts, keep: Path | None) -> Iterator[list[Any]]:
    for event in train(parts):
        match event:
            case StepEnded(losses=losses, weights=weights, train_top1=right, indices=indices, arrays=arrays):
                images = {name: values.tolist() for name, values in arrays.items()}
                yield [event.step, losses, weights, right, indices.tolist(), images]
            case Evaluated(metrics=metrics):
                yield [event.step, metrics]
            case GradientsMeasured(norms=norms):
                yield [event.step, norms]
            case TermMeasured(figures=figures):
                yield [event.step, event.term, figures]
            case RunFinished(results=results):
                yield [event.step, results]
            case Noted(text=text) if "hints come from" in text:
                yield [parts.step, text]
            case CheckpointReady(step=step) if keep and step == parts.steps_per_epoch:
                checkpoint.save(event.state, keep, description={})


def together(name: str, process: Process, folder: Path) -> list[Any]:
    parts = built(recipe(name))
    replicas.join(parts, process)
    found = numbers(parts, folder / "of-all.safetensors")
    assert 0 < parts.student.distiller.share < 1  # each has a part of every batch
    return found


def resumed(name: str, process: Process, file: Path) -> list[Any]:
    """The second epoch, from the state of a run in another number of processes."""
    parts = built(recipe(name))
    if process.first:
        parts.load_state(checkpoint.load(file))
    if not process.alone:
        replicas.join(parts, process)
    return numbers(parts)


def layers() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.BatchNorm2d(4, affine=False)
    )


def batch_norm(process: Process) -> dict[str, torch.Tensor]:
    """Outputs, gradients and running statistics of BatchNorm layers on five images, of which the first process has three."""
    network, images = layers(), whole_images()
    own = images.tensor_split(process.world)[process.rank].clone().requires_grad_()
    with SynchronisedBatchNorm():
        outputs = distributed.whole(network(own), len(images))
    loss(outputs).backward()
    for parameter in network.parameters():
        (parameter.grad,) = distributed.averaged([parameter.grad])
    gradient = distributed.whole(own.grad / process.world, len(images))
    return described(network, outputs, gradient)


def whole_images() -> torch.Tensor:
    return torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(2)) * 3 + 1


def loss(outputs: torch.Tensor) -> torch.Tensor:
    return (outputs * torch.linspace(-1, 2, outputs.numel()).view_as(outputs)).sum()


def described(network: nn.Module, outputs: torch.Tensor, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    gradients = {f"gradient of {name}": each.grad for name, each in network.named_parameters()}
    found = {
        "outputs": outputs.detach(),
        "gradient of the images": gradient,
        **gradients,
        **dict(network.named_buffers()),
    }
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def with_other_images(process: Process) -> str:
    """The message where a process has other images than the first."""
    parts = built(recipe("further views", seeds=[process.rank], data={**DATA, "seed": process.rank}))
    try:
        replicas.join(parts, process)
    except UserError as error:
        return str(error)
    return ""


def main(folder: Path) -> None:
    processes.connected()
    processes.begin_group("cpu")
    process = Process(processes.rank(), processes.world())
    found: dict[str, Any] = {name: together(name, process, folder) for name in RECIPES}
    (last,) = list(RECIPES)[-1:]
    if process.first:
        found["resumed by one"] = resumed(last, ALONE, folder / "of-all.safetensors")
        numbers(built(recipe(last)), folder / "of-one.safetensors")
    dist.barrier()
    found["resumed by two"] = resumed(last, process, folder / "of-one.safetensors")
    found["batch norm"] = batch_norm(process)
    found["other images"] = with_other_images(process)
    if process.first:
        torch.save(found, folder / "found.pt")
    dist.destroy_process_group()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
