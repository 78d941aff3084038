"""How fast a distillation step is, beside a public script, timm's distillation task and torchdistill.

    python -m benchmarks.train [--rounds 3] [--only a b c d libraries data start] [--compiled] [--json FILE]

On a CPU: one thread, processor seconds of a process with its loader's workers. Each way has a process of its own, so that
the allocator is as shipped where a script or library is measured, and as our runs set it in ours. The ways take turns within
a round; told are medians with the least and the most, and the ratio within a round. The limit is the fastest product of two
matrices of 1024 x 1024 in the same run. Weights are random: nothing but time is measured. On a GPU it is time on the clock,
larger batches and matrices, and watts where the driver tells. With --compiled, and always on a GPU, there are two more ways:
our fast ones in a run that tries torch.compile.
"""

import argparse
import datetime
import json
import os
import time
import warnings
from functools import partial
from pathlib import Path

import torch

from benchmarks.train import measures
from benchmarks.train.limits import Limits
from benchmarks.train.pairs import PAIRS
from kdcore.runtime import allocator

PARTS = (*PAIRS, "libraries", "data", "start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--compiled", action="store_true", default=measures.GPU, help="try torch.compile too")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    torch.set_num_threads(measures.THREADS)
    print(machine(), flush=True)
    limits, began = Limits(), time.perf_counter()
    parts = {
        **{letter: partial(measures.pair, letter, limits, asked.rounds, asked.compiled) for letter in PAIRS},
        "libraries": partial(measures.beside_libraries, limits, asked.rounds, asked.compiled),
        "data": partial(measures.data_paths, asked.rounds),
        "start": partial(measures.from_start, asked.rounds),
    }
    figures = {part: parts[part]() for part in PARTS if part in asked.only}
    print(f"\n{(time.perf_counter() - began) / 60:.1f} minutes")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


def machine() -> str:
    """What is measured on."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    if torch.cuda.is_available():
        return f"{today}, torch {torch.__version__}, {torch.cuda.get_device_name()}"
    can = torch.cpu.get_capabilities()
    quick = ", ".join(name for name in ("avx512_bf16", "amx_bf16") if can.get(name)) or "no bfloat16 instructions"
    kept = (
        "kept in our ways, given back as glibc does it in the others" if allocator.keep_freed_memory() else "no glibc"
    )
    return (
        f"{today}, torch {torch.__version__}, {os.cpu_count()} cores ({quick}), one thread, CPU seconds with children; "
        f"freed memory: {kept}"
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
