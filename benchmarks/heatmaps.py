"""The cost of a heatmap, against pytorch-grad-cam and vit-explain's rollout, both as shipped; and of a 12-megapixel photo.

    python -m benchmarks.heatmaps [--rounds 7]

One thread; variants run interleaved; the ratio within a round in CPU seconds of the process, as median over rounds (min-max).
The same weights (random: only time is measured), the same image of 224 px, each variant up to a map of 224 px. kdcore's maps
are computed as on the Attention page: by a copy that was made `ready` once, in the seconds given. `exact` is float32, `fast`
bfloat16. `forward` is a plain forward pass of the network in float32 without gradient, its weights channels last.

vit-explain (https://github.com/jacobgil/vit-explain) drops the weakest 90 % of each layer's attention before it multiplies;
kdcore does not. `without discarding` is vit-explain without that step: the same map. Both take an image at a time.

The photo is processed as on the Attention page: bytes to three networks' maps, drawn.
"""

import argparse
import copy
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
from kdcore.inspection import Inspector
from kdcore.models import Tapped
from kdcore.paths import ASSETS, runs_folder
from kdcore.recipe import ModelRecipe
from kdcore.store import Store

SIDE = 224
CLASSES = tuple(f"class {i}" for i in range(10))
NETWORKS = ("resnet18", "resnet50", "vit_tiny_patch16_224")
Variant = Callable[[Tensor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    logging.getLogger().setLevel(logging.ERROR)
    print(
        f"torch {torch.__version__}, one thread, {options.rounds} rounds, CPU ms an image (median), glibc malloc as it is"
    )
    for name in NETWORKS:
        for batch in (1, 16):
            compare(name, batch, max(3, options.rounds // (3 if batch > 1 else 1)))
    photo(options.rounds)


def compare(name: str, batch: int, rounds: int) -> None:
    torch.manual_seed(0)
    network = models.build(ModelRecipe(model=name), CLASSES, SIDE).eval().requires_grad_(False)
    network = network.to(memory_format=torch.channels_last)
    reference = models.build(ModelRecipe(model=name), CLASSES, SIDE).eval()
    reference.net.load_state_dict(network.net.state_dict())
    images = torch.rand(batch, 3, SIDE, SIDE)
    last = images.contiguous(memory_format=torch.channels_last)
    began = time.process_time()
    exact = explain.ready(network)
    seconds_to_make = time.process_time() - began
    fast = explain.ready(network, "fast")
    bases: dict[str, Variant] = {
        "pytorch-grad-cam": pytorch_grad_cam(reference),
        "forward": lambda _: plain(network, last),
    }
    measured: dict[str, tuple[str, Variant]] = {
        "grad_cam exact": ("pytorch-grad-cam", lambda _: drawn(exact, last, "grad_cam")),
        "grad_cam fast": ("pytorch-grad-cam", lambda _: drawn(fast, last, "grad_cam")),
    }
    if network.has_attention:
        bases |= {
            "vit-explain rollout": published_rollout(reference, discard=0.9),
            "without discarding": published_rollout(reference, discard=0),
        }
        measured |= {
            "rollout exact": ("vit-explain rollout", lambda _: drawn(exact, last, "rollout")),
            "rollout fast": ("vit-explain rollout", lambda _: drawn(fast, last, "rollout")),
        }
    seconds = timed(bases | {name: run for name, (_, run) in measured.items()}, images, rounds)
    print(f"\n{name}, batch {batch}; made ready in {seconds_to_make:.2f} s")
    for name, times in seconds.items():
        line = f"  {name:20} {1000 * statistics.median(times) / batch:7.1f} ms   {ratio(times, seconds['forward'])} forwards"
        if name in measured:
            base = measured[name][0]
            line += f"   x{ratio(seconds[base], times)} over {base}"
            if base == "vit-explain rollout":
                line += f"   x{ratio(seconds['without discarding'], times)} over it without discarding"
        print(line, flush=True)


def ratio(above: list[float], below: list[float]) -> str:
    """The median over rounds of the ratio within the round, and the smallest and largest."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def timed(variants: dict[str, Variant], images: Tensor, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each variant in each round, after a warm-up."""
    for variant in variants.values():
        variant(images)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            began = time.process_time()
            variant(images)
            seconds[name].append(time.process_time() - began)
    return seconds


def drawn(model: Tapped, images: Tensor, map_name: str) -> list[np.ndarray]:
    """Maps as the product computes them, each enlarged to the picture."""
    found = explain.explain(model, images, map_name)
    return [render.enlarge(heatmap, SIDE) for i, heatmap in enumerate(found.heatmaps) if i not in found.problems]


def plain(model: Tapped, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).logits


def pytorch_grad_cam(model: Tapped) -> Variant:
    vit = model.has_attention
    layer = model.net.blocks[-1].norm1 if vit else model.net.layer4[-1]

    def patches(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (14, 14))

    cam = GradCAM(model.net, [layer], reshape_transform=patches if vit else None)
    return lambda images: cam((images - model.mean) / model.std, None)


def published_rollout(model: Tapped, discard: float) -> Variant:
    """vit-explain's rollout, rewritten: explicit attention in every block, all matrices in memory, heads averaged, the
    weakest share set to 0 except the first entry, whole matrices multiplied, an image at a time."""

    model = copy.deepcopy(model)  # pytorch-grad-cam keeps the fused kernel, as it is shipped
    for block in model.net.blocks:
        block.attn.fused_attn = False

    def one(image: Tensor) -> np.ndarray:
        kept: list[Tensor] = []
        hooks = [
            block.attn.attn_drop.register_forward_hook(lambda _m, _i, output: kept.append(output.cpu()))
            for block in model.net.blocks
        ]
        with torch.no_grad():
            model(image[None])
            for hook in hooks:
                hook.remove()
            whole = identity = torch.eye(kept[0].shape[-1])
            for attention in kept:
                fused = attention.mean(dim=1)
                if discard:
                    flat = fused.view(1, -1)
                    _, weakest = flat.topk(int(flat.shape[1] * discard), dim=1, largest=False)
                    flat[0, weakest[weakest != 0]] = 0
                mixed = (fused + identity) / 2
                whole = (mixed / mixed.sum(dim=-1)) @ whole
        heatmap = whole[0, 0, 1:].reshape(14, 14).numpy()
        return cv2.resize(heatmap / heatmap.max(), (SIDE, SIDE))

    return lambda images: [one(image) for image in images]


def photo(rounds: int) -> None:
    """A synthetic 12-megapixel JPEG, from its bytes to three networks' maps over it, as on the page."""
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
        for found in inspector.compare(read.pixels, networks, map_name="grad_cam").inspections:
            cv2.imencode(".jpg", render.overlay(found.photo, found.heatmap)[..., ::-1])
        return decoded, time.perf_counter() - began

    whole()
    times = [whole() for _ in range(rounds)]
    decode, end = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"\n12-megapixel JPEG of {len(raw) / 2**20:.1f} MiB, two threads: read in {1000 * decode:.0f} ms, three networks' "
        f"maps drawn over it after {1000 * end:.0f} ms (at most {1000 * max(t for _, t in times):.0f})"
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
