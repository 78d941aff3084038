"""The baseline: distillation as public scripts implement it.

PIL an image in a DataLoader with two workers, hooks that store every block's attention (for which fused attention is off),
`no_grad`, NCHW in float32, AdamW with its defaults, `.item()` at every step, the allocator as shipped. It computes the
losses of the pair's recipe.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.train.interleaved import Laps, Steps
from benchmarks.train.pairs import Pair, networks

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LENGTH = 200_000  # images an epoch, so that no new workers are started while it is measured
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def steps(pair: Pair, folder: Path, laps: Laps, *, workers: int = 2) -> Steps:
    torch.manual_seed(0)
    teacher: Any
    student: Any
    teacher, student = (network.to(DEVICE) for network in networks(pair))
    teacher.eval().requires_grad_(False)
    attention = stored_attention(teacher)
    hint = Hint(teacher, student) if any(term["method"] == "fitnets" for term in pair.terms) else None
    learning = [*student.parameters(), *(hint.regressor.parameters() if hint else [])]
    optimizer = torch.optim.AdamW(learning, lr=1e-3, weight_decay=0.05)
    history = []
    student.train()
    while True:
        for images, targets in loader(pair, folder, workers=workers):
            images, targets = images.to(DEVICE), targets.to(DEVICE)
            laps("data")
            attention.clear()
            with torch.no_grad():
                teacher_logits = teacher(images)
            laps("teacher")
            if pair.terms and attention:
                features, maps = student.forward_intermediates(images)
                logits = student.forward_head(features)
            else:
                logits, maps = student(images), []
            laps("student forward")
            loss = 0.1 * F.cross_entropy(logits, targets) + 0.9 * kd(logits, teacher_logits)
            if maps:
                loss = loss + 0.1 * attention_maps(maps, attention)
            if hint:
                loss = loss + hint.loss()
            laps("losses")
            optimizer.zero_grad()
            loss.backward()
            laps("backward")
            optimizer.step()
            laps("optimizer")
            history.append(loss.item())
            laps("rest")
            yield len(images)


def loader(pair: Pair, folder: Path, *, workers: int = 2) -> DataLoader[tuple[Tensor, Tensor]]:
    return DataLoader(photos(pair, folder), batch(pair), shuffle=True, num_workers=workers)


def photos(pair: Pair, folder: Path) -> ConcatDataset[tuple[Tensor, Tensor]]:
    """The training photos over and over, each opened, resized and normalised by PIL and torchvision on access."""
    shaping = (
        [transforms.RandomCrop(pair.size, padding=4)] if pair.size == 32 else [transforms.Resize((pair.size,) * 2)]
    )
    normalise = transforms.Normalize(MEAN, STD)
    transform = transforms.Compose([*shaping, transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalise])
    once = ImageFolder(str(folder / "train"), transform)
    return ConcatDataset([once] * max(1, LENGTH // len(once)))


def batch(pair: Pair) -> int:
    return pair.gpu_batch if DEVICE.type == "cuda" else pair.batch


def only_loading(pair: Pair, folder: Path, laps: Laps, *, workers: int = 2) -> Steps:
    while True:
        for images, _ in loader(pair, folder, workers=workers):
            yield len(images)


def kd(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    log_student = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(log_student, F.softmax(teacher / temperature, dim=1), reduction="batchmean") * temperature**2


def stored_attention(vit: nn.Module) -> list[Tensor]:
    """A list that receives every block's attention [B, h, N, N] at each forward."""
    stored: list[Tensor] = []
    for block in getattr(vit, "blocks", ()):
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _module, _inputs, output: stored.append(output))
    return stored


def attention_maps(maps: list[Tensor], attention: list[Tensor]) -> Tensor:
    """Mean over the teacher's blocks of KL from its class token's attention to the energy of the student's map at that
    depth, both on the teacher's grid and with sum 1."""
    losses = []
    for number, block in enumerate(attention):
        row = block.mean(dim=1)[:, 0, 1:]
        target = row / row.sum(dim=1, keepdim=True)
        energy = maps[number * len(maps) // len(attention)].pow(2).mean(dim=1)
        own = F.adaptive_avg_pool2d(energy, round(row.shape[1] ** 0.5)).flatten(1)
        own = own / own.sum(dim=1, keepdim=True)
        losses.append(F.kl_div(own.clamp(min=1e-8).log(), target, reduction="batchmean"))
    return torch.stack(losses).mean()


class Hint:
    """The student's second map, through a 1x1 convolution, follows the teacher's second map."""

    def __init__(self, teacher: Any, student: Any) -> None:
        self._seen: dict[str, Tensor] = {}
        teacher.layer2.register_forward_hook(lambda _module, _inputs, output: self._seen.update(teacher=output))
        student.stages[1].register_forward_hook(lambda _module, _inputs, output: self._seen.update(student=output))
        self.regressor = nn.Conv2d(student.stages[1][0].out_channels, 128, 1).to(DEVICE)

    def loss(self) -> Tensor:
        return F.mse_loss(self.regressor(self._seen["student"]), self._seen["teacher"])
