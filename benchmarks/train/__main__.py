"""Speed of a distillation step, compared with a public script, timm's distillation task and torchdistill.

    python -m benchmarks.train [--rounds 3] [--only a b c d libraries data start] [--compiled] [--json FILE]

On a CPU: one thread, processor seconds of a process with its loader's workers. Each variant runs in a process of its own:
scripts and libraries with the allocator as shipped, this project with its own settings. Variants run interleaved within a
round; reported are medians with minimum and maximum, and the ratio within a round. The limit is the fastest product of two
matrices of 1024 x 1024 in the same run. Weights are random: only time is measured. On a GPU it is wall time, with larger
batches and matrices, and watts where the driver reports them. With --compiled, and always on a GPU, two more variants try
torch.compile.
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
    options = parser.parse_args()
    torch.set_num_threads(measures.THREADS)
    print(machine(), flush=True)
    limits, began = Limits(), time.perf_counter()
    parts = {
        **{letter: partial(measures.pair, letter, limits, options.rounds, options.compiled) for letter in PAIRS},
        "libraries": partial(measures.beside_libraries, limits, options.rounds, options.compiled),
        "data": partial(measures.data_paths, options.rounds),
        "start": partial(measures.from_start, options.rounds),
    }
    figures = {part: parts[part]() for part in PARTS if part in options.only}
    print(f"\n{(time.perf_counter() - began) / 60:.1f} minutes")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def machine() -> str:
    """The machine, in a line."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    if torch.cuda.is_available():
        return f"{today}, torch {torch.__version__}, {torch.cuda.get_device_name()}"
    features = torch.cpu.get_capabilities()
    bfloat16 = (
        ", ".join(name for name in ("avx512_bf16", "amx_bf16") if features.get(name)) or "no bfloat16 instructions"
    )
    freed = "kept in this project, returned by glibc elsewhere" if allocator.keep_freed_memory() else "no glibc"
    return (
        f"{today}, torch {torch.__version__}, {os.cpu_count()} cores ({bfloat16}), one thread, CPU seconds with children; "
        f"freed memory: {freed}"
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
