"""What a heatmap costs, against pytorch-grad-cam and a published rollout, both as shipped; and a 12-megapixel photo.

    python -m benchmarks.heatmaps [--rounds 7]

One thread; the ways take turns within a round and are compared by the median over rounds of the ratio within the round, in
CPU seconds of the process, with the smallest and largest ratio beside it. The same weights (random: nothing but time is
measured), the same image of 224 px, each way up to a map of 224 px. `forward` is a plain forward pass of the same network
without gradient. The photo goes the way of the Attention page: bytes to three networks' maps, drawn.
"""

import argparse
import io
import logging
import statistics
import time
import warnings
from collections.abc import Callable

import cv2
import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from torch import Tensor

from kdcore import explain, models, photos
from kdcore.explain import render
from kdcore.folders import ASSETS, runs_folder
from kdcore.inspector import Inspector
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe
from kdcore.store import Store

SIDE = 224
CLASSES = tuple(f"class {i}" for i in range(10))
NETWORKS = ("resnet18", "resnet50", "vit_tiny_patch16_224")
Way = Callable[[Tensor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.getLogger().setLevel(logging.ERROR)
    print(
        f"torch {torch.__version__}, one thread, {asked.rounds} rounds, CPU ms an image (median), glibc malloc as it is"
    )
    for name in NETWORKS:
        for batch in (1, 16):
            compare(name, batch, max(3, asked.rounds // (3 if batch > 1 else 1)))
    photo(asked.rounds)


def compare(name: str, batch: int, rounds: int) -> None:
    torch.manual_seed(0)
    ours = models.build(ModelRecipe(model=name), CLASSES, SIDE).eval().requires_grad_(False)
    ours = ours.to(memory_format=torch.channels_last)
    theirs = models.build(ModelRecipe(model=name), CLASSES, SIDE).eval()
    theirs.net.load_state_dict(ours.net.state_dict())
    images = torch.rand(batch, 3, SIDE, SIDE)
    last = images.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Way] = {
        "pytorch-grad-cam": pytorch_grad_cam(theirs),
        "forward": lambda _: plain(ours, last),
        "grad_cam fp32": lambda _: drawn(ours, last, "grad_cam", "fp32"),
        "grad_cam bf16": lambda _: drawn(ours, last, "grad_cam", "bf16"),
    }
    if ours.has_attention:
        ways |= {
            "published rollout": published_rollout(theirs),
            "rollout fp32": lambda _: drawn(ours, last, "rollout", "fp32"),
            "rollout bf16": lambda _: drawn(ours, last, "rollout", "bf16"),
            "cls_attention fp32": lambda _: drawn(ours, last, "cls_attention", "fp32"),
        }
    seconds = timed(ways, images, rounds)
    print(f"\n{name}, batch {batch}")
    for way, told in seconds.items():
        base = "published rollout" if way.startswith("rollout") else "pytorch-grad-cam"
        ratios = [b / t for b, t in zip(seconds[base], told, strict=True)]
        forwards = [t / f for t, f in zip(told, seconds["forward"], strict=True)]
        print(
            f"  {way:20} {1000 * statistics.median(told) / batch:7.1f} ms   x{statistics.median(ratios):.2f} "
            f"[{min(ratios):.2f}-{max(ratios):.2f}] over {base}   {statistics.median(forwards):.2f} forwards"
        )


def timed(ways: dict[str, Way], images: Tensor, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each round, after a warm-up."""
    for way in ways.values():
        way(images)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way(images)
            seconds[name].append(time.process_time() - began)
    return seconds


def drawn(model: Tapped, images: Tensor, method: str, precision: str) -> list[np.ndarray]:
    """The way of the product: maps, each enlarged to the picture."""
    found = explain.explain(model, images, method, precision=precision)
    return [render.enlarge(heatmap, SIDE) for i, heatmap in enumerate(found.heatmaps) if i not in found.problems]


def plain(model: Tapped, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).logits


def pytorch_grad_cam(model: Tapped) -> Way:
    vit = model.has_attention
    layer = model.net.blocks[-1].norm1 if vit else model.net.layer4[-1]

    def patches(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (14, 14))

    cam = GradCAM(model.net, [layer], reshape_transform=patches if vit else None)
    return lambda images: cam((images - model.mean) / model.std, None)


def published_rollout(model: Tapped) -> Way:
    """As public scripts do it: attention in the open in every block, all matrices kept, an image at a time."""

    def rolled(images: Tensor) -> list[np.ndarray]:
        for block in model.net.blocks:
            block.attn.fused_attn = False
        found = []
        for image in images:
            kept: list[Tensor] = []
            hooks = [
                block.attn.attn_drop.register_forward_hook(lambda _m, _i, output, kept=kept: kept.append(output.cpu()))
                for block in model.net.blocks
            ]
            with torch.no_grad():
                model(image[None])
                for hook in hooks:
                    hook.remove()
                whole = identity = torch.eye(kept[0].shape[-1])
                for attention in kept:
                    mixed = (attention.mean(dim=1) + identity) / 2
                    whole = (mixed / mixed.sum(dim=-1, keepdim=True)) @ whole
            heatmap = whole[0, 0, 1:].reshape(14, 14).numpy()
            found.append(cv2.resize(heatmap / heatmap.max(), (SIDE, SIDE)))
        return found

    return rolled


def photo(rounds: int) -> None:
    """A synthetic 12-megapixel JPEG, from its bytes to three networks' maps over it, as the page asks for them."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (75, 100, 3), dtype=np.uint8)
    noisy = cv2.resize(coarse, (4000, 3000), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noisy += random.integers(-12, 12, noisy.shape, dtype=np.int16)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    raw = file.getvalue()
    torch.set_num_threads(2)
    inspector = Inspector(Store(runs_folder(), recorded=ASSETS / "runs"), threads=2)
    networks = ["cifar10-teacher", "cifar10-student", "cifar10-twin"]

    def whole() -> tuple[float, float]:
        began = time.perf_counter()
        read = photos.read(raw, "photo.jpg", side=768)
        decoded = time.perf_counter() - began
        for found in inspector.compare(read.pixels, networks, method="grad_cam").inspections:
            cv2.imencode(".jpg", render.overlay(found.photo, found.heatmap)[..., ::-1])
        return decoded, time.perf_counter() - began

    whole()
    told = [whole() for _ in range(rounds)]
    decode, end = (statistics.median(column) for column in zip(*told, strict=True))
    print(
        f"\n12-megapixel JPEG of {len(raw) / 2**20:.1f} MiB, two threads: read in {1000 * decode:.0f} ms, three networks' "
        f"maps drawn over it after {1000 * end:.0f} ms (at most {1000 * max(t for _, t in told):.0f})"
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
