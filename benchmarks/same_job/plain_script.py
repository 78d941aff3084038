"""The job as a plain script: PyTorch and torchvision."""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.same_job import networks

EPOCHS, BATCH, LR, TEMPERATURE, WEIGHT = 3, 64, 4e-3, 4.0, 0.9


def main(folder: str, seed: int, predictions: str) -> None:
    augment = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomCrop(32, padding=4, padding_mode="reflect"),
            transforms.ToTensor(),
        ]
    )
    train = ImageFolder(f"{folder}/train", augment)
    test = ImageFolder(f"{folder}/test", transforms.ToTensor())
    teacher = networks.teacher()
    student = networks.student(seed, tuple(train.classes))
    loader = DataLoader(train, BATCH, shuffle=True, num_workers=2, persistent_workers=True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=LR, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader))
    student.train()
    for epoch in range(EPOCHS):
        for images, targets in loader:
            with torch.no_grad():
                soft = F.softmax(teacher(images) / TEMPERATURE, dim=1)
            logits = student(images)
            kd = F.kl_div(F.log_softmax(logits / TEMPERATURE, dim=1), soft, reduction="batchmean")
            loss = WEIGHT * TEMPERATURE**2 * kd + (1 - WEIGHT) * F.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
    student.eval()
    with torch.inference_mode():
        predicted = [student(images).argmax(1) for images, _ in DataLoader(test, 256)]
    np.save(predictions, torch.cat(predicted).numpy())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
