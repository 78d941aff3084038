"""The job with torchdistill: what its examples do around a configuration, as short as it gets."""

import os
import sys

import numpy as np
import torch
from torchdistill.common import yaml_util
from torchdistill.core.distillation import get_distillation_box
from torchdistill.misc.log import MetricLogger
from torchdistill.models.registry import get_model, register_model

from benchmarks.same_job import networks


def main(folder: str, seed: int, predictions: str, configuration: str) -> None:
    os.chdir(folder)
    config = yaml_util.load_yaml_file(configuration)
    classes = tuple(config["datasets"]["train"].classes)
    register_model(networks.teacher, key="teacher")
    register_model(lambda: networks.student(seed, classes), key="student")
    models = config["models"].values()
    teacher, student = (get_model(model["key"], **model["kwargs"]) for model in models)
    device = torch.device("cpu")
    box = get_distillation_box(teacher, student, config["datasets"], config["train"], device, [0], False, 1.0)
    for epoch in range(box.num_epochs):
        box.pre_epoch_process(epoch=epoch)
        log = MetricLogger(delimiter="  ")
        for images, targets, further in log.log_every(box.train_data_loader, 100, f"Epoch {epoch}"):
            loss = box.forward_process(images, targets, further)
            box.post_forward_process(loss=loss)
            log.update(loss=loss.item())
        box.post_epoch_process()
    student.eval()
    with torch.inference_mode():
        predicted = [student(images).argmax(1) for images, *_ in box.val_data_loader]
    np.save(predictions, torch.cat(predicted).numpy())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5])
