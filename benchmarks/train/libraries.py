"""timm's distillation task and torchdistill, as released, each in the loop of its own training script.

Standard transforms in a DataLoader with two workers, float32.
"""

import importlib.util
import logging
import time
from pathlib import Path
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.task import LogitDistillationTask
from timm.utils import AverageMeter

from benchmarks.train import script
from benchmarks.train.interleaved import Laps, Steps
from benchmarks.train.pairs import CLASSES, Pair, networks

HOW_TO_GET_TORCHDISTILL = "torchdistill is not installed, so it is left out: pip install -r requirements-bench.txt"


def has_torchdistill() -> bool:
    return importlib.util.find_spec("torchdistill") is not None


def timm_steps(pair: Pair, folder: Path, laps: Laps, *, workers: int = 2) -> Steps:
    """`timm.task.LogitDistillationTask` in the loop of timm's train.py."""
    torch.manual_seed(0)
    teacher: Any
    student: Any
    teacher, student = (network.to(script.DEVICE) for network in networks(pair))
    for network in (teacher, student):  # attributes that timm's own models have
        network.pretrained_cfg = {"mean": script.MEAN, "std": script.STD}
        network.num_classes, network.in_chans = CLASSES, 3
    task = LogitDistillationTask(
        student, teacher, torch.nn.CrossEntropyLoss(), distill_loss_weight=0.9, task_loss_weight=0.1, temperature=4.0,
        device=script.DEVICE, verbose=False,
    )  # fmt: skip
    optimizer = create_optimizer_v2(student, opt=pair.optimizer, lr=0.05, momentum=0.9, weight_decay=5e-4)
    losses, data_time, batch_time = AverageMeter(), AverageMeter(), AverageMeter()
    task.train()
    end = time.time()
    while True:
        for images, targets in script.loader(pair, folder, workers=workers):
            images, targets = images.to(script.DEVICE), targets.to(script.DEVICE)
            data_time.update(time.time() - end)
            result = task(images, targets)
            losses.update(result["loss"].item(), images.size(0))
            result["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()
            batch_time.update(time.time() - end)
            end = time.time()
            yield len(images)


def torchdistill_steps(pair: Pair, folder: Path, laps: Laps, *, workers: int = 2) -> Steps:
    """A DistillationBox in the loop of torchdistill's examples/torchvision/image_classification.py."""
    from torchdistill.core.distillation import get_distillation_box  # optional, see requirements-bench.txt
    from torchdistill.misc.log import MetricLogger, SmoothedValue

    logging.disable(logging.INFO)
    torch.manual_seed(0)
    teacher, student = networks(pair)
    photos = script.photos(pair, folder)
    box = get_distillation_box(
        teacher, student, {"train": photos, "val": photos}, _config(pair, workers), script.DEVICE, [0], False, 1.0
    )
    while True:
        box.pre_epoch_process(epoch=0)
        metrics = MetricLogger(delimiter="  ")
        metrics.add_meter("lr", SmoothedValue(window_size=1, fmt="{value}"))
        metrics.add_meter("img/s", SmoothedValue(window_size=10, fmt="{value}"))
        for images, targets, further in metrics.log_every(box.train_data_loader, 100, "Epoch"):
            began = time.time()
            images, targets = images.to(script.DEVICE), targets.to(script.DEVICE)
            loss = box.forward_process(images, targets, further)
            box.post_forward_process(loss=loss)
            metrics.update(loss=loss.item(), lr=box.optimizer.param_groups[0]["lr"])
            metrics.meters["img/s"].update(len(images) / (time.time() - began))
            yield len(images)


def _config(pair: Pair, workers: int) -> dict[str, Any]:
    def loader(split: str, sampler: type[torch.utils.data.Sampler[int]]) -> dict[str, Any]:
        return {
            "dataset_id": split,
            "sampler": {"class_or_func": sampler, "kwargs": {}},
            "kwargs": {"batch_size": script.batch(pair), "num_workers": workers, "drop_last": False},
        }

    def network(wrapper: str, learns: bool) -> dict[str, Any]:
        return {
            "forward_proc": "forward_batch_only", "sequential": [], "wrapper": wrapper, "requires_grad": learns,
            "frozen_modules": [],
        }  # fmt: skip

    kd = {
        "key": "KDLoss",
        "kwargs": {
            "student_module_path": ".", "student_module_io": "output", "teacher_module_path": ".",
            "teacher_module_io": "output", "temperature": 4.0, "alpha": 0.9, "reduction": "batchmean",
        },
    }  # fmt: skip
    return {
        "num_epochs": 1,
        "train_data_loader": loader("train", torch.utils.data.RandomSampler),
        "val_data_loader": loader("val", torch.utils.data.SequentialSampler),
        "teacher": network("DataParallel", False),
        "student": network("DistributedDataParallel", True),
        "optimizer": {"key": "SGD", "kwargs": {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {"kd": {"criterion": kd, "weight": 1.0}}}},
    }
