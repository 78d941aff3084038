"""INT8 by torchao against INT8 by onnxruntime: accuracy with intervals, size, and latency of the same network, interleaved.

    python -m benchmarks.torchao_int8 [NETWORK] [--images 2000] [--rounds 200]

NETWORK is a bundled model or `run:ID/student` (default: cues-student). torchao (0.18 or newer, not among the requirements) quantises
for PyTorch: static, signed weights a channel, unsigned activations, by its PT2E quantizer for x86, compiled by Inductor, which needs a
C++ compiler. Both are calibrated on the same validation images and tested on the same test images. One thread; the variants take turns.
"""

import argparse
import copy
import io
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kdcore.cli.options import store
from kdcore.data.split import Split
from kdcore.export.networks import choosing, evaluating, int8, onnx_graph
from kdcore.export.networks.int8 import Calibration
from kdcore.export.networks.onnx_session import Session
from kdcore.results.comparison.figure import ends, points

Logits = Callable[[np.ndarray], np.ndarray]
SIZES = (1, 32)  # images of a batch


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("network", nargs="?", default="cues-student")
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = choosing.chosen(options.network, store())
    assert chosen.data is not None, chosen.why
    images, calibrating = evaluating.images_of(chosen.data, options.images), int8.calibration(chosen.data)
    network = onnx_graph.Normalising(copy.deepcopy(chosen.network)).eval()
    whole = onnx_graph.exported(chosen.network).model
    small = int8.quantised(whole, calibrating)
    compiled, size = by_torchao(network, calibrating)
    variants: dict[str, tuple[Logits, int]] = {
        "onnxruntime float32": (Session(whole.SerializeToString(), 1).logits, len(whole.SerializeToString())),
        "onnxruntime INT8": (Session(small.SerializeToString(), 1).logits, len(small.SerializeToString())),
        "PyTorch float32": (of_module(network), stored(network)),
        "torchao INT8": (compiled, size),
    }
    show(variants, images, options.rounds)


def by_torchao(network: torch.nn.Module, calibrating: Calibration) -> tuple[Logits, int]:
    """The network in INT8, compiled; and the bytes of its tensors, before compilation."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    example = torch.from_numpy(calibrating.batches[0][:2])
    exported = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", max=4096)},))
    prepared = prepare_pt2e(exported.module(), quantizer)
    with torch.no_grad():
        for batch in calibrating.batches:
            prepared(torch.from_numpy(batch))
        converted = convert_pt2e(prepared)
        compiled = torch.compile(converted, dynamic=True)
    return of_module(compiled), stored(converted)


def of_module(network: Any) -> Logits:
    def logits(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = network(torch.from_numpy(images)).numpy()
            return found

    return logits


def stored(module: torch.nn.Module) -> int:
    """Bytes of the module's parameters and buffers in a file."""
    file = io.BytesIO()
    torch.save(dict(module.state_dict()), file)
    return file.tell()


def show(variants: dict[str, tuple[Logits, int]], images: Split, rounds: int) -> None:
    found = {
        name: np.concatenate([logits(batch) for batch in evaluating.arrays(images)])
        for name, (logits, _) in variants.items()
    }
    took = {
        size: interleaved({name: logits for name, (logits, _) in variants.items()}, images, size, rounds)
        for size in SIZES
    }
    print("| | file, MB | accuracy (95 % interval) | against its float32 | ms, batch 1 | ms, batch 32 |")
    print("|---|---|---|---|---|---|")
    for name, (_, size) in variants.items():
        figures = evaluating.figures(found[name], images)
        before = f"{name.split()[0].replace('torchao', 'PyTorch')} float32"
        cells = [
            name, f"{size / 1e6:.2f}",
            f"{100 * figures['top1']:.2f} % ({100 * figures['low']:.2f} to {100 * figures['high']:.2f})",
            difference(found[name], found[before], images) if name != before else "",
            *(f"{1000 * statistics.median(took[each][name]):.2f}" for each in SIZES),
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")
    both = difference(found["torchao INT8"], found["onnxruntime INT8"], images)
    print(
        f"\n{len(images):,} test images, one thread, medians of {rounds} turns. torchao INT8 - onnxruntime INT8: {both}."
    )


def difference(first: np.ndarray, second: np.ndarray, images: Split) -> str:
    conclusion = evaluating.difference(first, second, images)
    return (
        f"{points(conclusion.mean)} ({ends(conclusion)})"
        if conclusion.bounded
        else f"{points(conclusion.mean)} ({conclusion.why})"
    )


def interleaved(variants: dict[str, Logits], images: Split, size: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each variant for a batch, turn by turn, after some to warm up."""
    batch = next(iter(evaluating.arrays(images)))[:size].copy()
    took: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(-10, rounds):
        for name, logits in variants.items():
            began = time.perf_counter()
            logits(batch)
            if turn >= 0:
                took[name].append(time.perf_counter() - began)
    return took


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
