"""Two speeds of the engine: training a small ViT with fused and plain attention, and drawing `cues`.

    python -m benchmarks.engine [--threads 1] [--rounds 5]

Both kinds of attention run interleaved and are compared by the median ratio, in CPU seconds of the process.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from kdcore import models
from kdcore.data.datasets import cues
from kdcore.recipe import ModelRecipe

BATCH = 128
DRAWN = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    speeds = {fused: [] for fused in (True, False)}
    for _ in range(options.rounds):
        for fused, seen in speeds.items():
            seen.append(trained(fused))
    ratio = statistics.median(plain / fused for fused, plain in zip(speeds[True], speeds[False], strict=True))
    medians = ", ".join(
        f"{'fused' if fused else 'plain'} {statistics.median(seen):.0f}" for fused, seen in speeds.items()
    )
    print(f"small_vit_patch8_64, batch {BATCH}, bfloat16, training, images per CPU second: {medians} (x{ratio:.2f})")

    began, cpu = time.perf_counter(), time.process_time()
    cues.drawn("train", DRAWN, 64, seed=0, agreement=0.1)
    print(
        f"cues, {DRAWN:,} images of 64 px: {time.perf_counter() - began:.1f} s, {time.process_time() - cpu:.1f} CPU s"
    )


def trained(fused: bool) -> float:
    """Images per CPU second of forward and backward, after a warm-up."""
    torch.manual_seed(0)
    network = models.build(ModelRecipe(model="small_vit_patch8_64"), cues.Cues.classes, 64).train()
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    images, targets = torch.rand(BATCH, 3, 64, 64), torch.randint(0, 10, (BATCH,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images).logits
        F.cross_entropy(logits.float(), targets).backward()

    step()
    cpu = time.process_time()
    step()
    step()
    return 2 * BATCH / (time.process_time() - cpu)


if __name__ == "__main__":
    main()
