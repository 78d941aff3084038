"""The parts of `python -m benchmarks.train`: each prints its lines and returns its figures."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.train import libraries, project, reports, script, start
from benchmarks.train.interleaved import Measurement, Variant, interleave
from benchmarks.train.limits import Limits, work
from benchmarks.train.pairs import LIBRARIES, PAIRS, Pair, draw_photos

Figures = dict[str, Any]
Turns = dict[str, list[Measurement]]
GPU = torch.cuda.is_available()
THREADS = (os.cpu_count() or 1) if GPU else 1
LONGER = 5 if GPU else 1  # times as many steps a turn: a GPU takes one in some hundredths of a second

SCRIPT, TIMM, TORCHDISTILL = "public script", "timm's task", "torchdistill"
PIL, BATCHES = "PIL and DataLoader", "this project"
EXACT, FAST, CACHED = "exact", "fast", "fast, cached"
COMPILED, BOTH = "fast, compiled", "fast, cached, compiled"
GOALS = {
    "a": {EXACT: 1.6, FAST: 2.8, CACHED: 3.1},
    "b": {EXACT: 1.4, FAST: 2.5, CACHED: 9},
    "c": {EXACT: 1.6, FAST: 3.0, CACHED: 4.5},
    "d": {FAST: 3.3, CACHED: 8},
}
SHARES = {"a": 75, "b": 70, "c": 60, "d": 60}  # percent of the bf16 limit, fast, with a live teacher
LIBRARY_GOALS = {EXACT: 1.5, FAST: 3.0, CACHED: 5}
DATA_GOALS = {32: 20, 224: 3}
DATA_SHARE = 2  # percent of a step
START_SECONDS = 3  # the quick recipe, on two cores


def pair(letter: str, limits: Limits, rounds: int, compiled: bool) -> Figures:
    """The public script and this project."""
    chosen = PAIRS[letter]
    turns = _turns(chosen, {SCRIPT: partial(script.steps, chosen)}, limits, rounds, compiled)
    _print_steps(f"({letter}) {chosen.title}", chosen, turns, SCRIPT, GOALS[letter], limits)
    _print_profile(turns)
    print(
        f"  Goals: {SHARES[letter]} % of the bf16 limit in {FAST!r}; data under {DATA_SHARE} % of a step.", flush=True
    )
    return _figures(turns, limits)


def beside_libraries(limits: Limits, rounds: int, compiled: bool) -> Figures:
    """timm's task, torchdistill and this project."""
    others = {TIMM: partial(libraries.timm_steps, LIBRARIES)}
    if libraries.has_torchdistill():
        others[TORCHDISTILL] = partial(libraries.torchdistill_steps, LIBRARIES)
    turns = _turns(LIBRARIES, others, limits, rounds, compiled)
    for base in others:
        shown = {name: taken for name, taken in turns.items() if name == base or name not in others}
        _print_steps(f"Beside {base}: {LIBRARIES.title}", LIBRARIES, shown, base, LIBRARY_GOALS, limits)
    _print_profile(turns)
    if TORCHDISTILL not in others:
        print(libraries.HOW_TO_GET_TORCHDISTILL)
    return _figures(turns, limits)


def data_paths(rounds: int) -> Figures:
    """Reading images into batches, augmented and normalised."""
    found = {}
    for letter, size in (("b", 32), ("a", 224)):
        chosen = replace(PAIRS[letter], batch=64, train_images=512)
        with _photos(chosen) as folder:
            variants = [
                Variant(PIL, partial(script.only_loading, chosen, folder), steps=8, warm_up=8),
                Variant(BATCHES, partial(project.only_loading, chosen, folder), steps=80, warm_up=8),
            ]
            turns = interleave(variants, rounds=rounds, threads=THREADS)
        print(f"\nData path at {size} px")
        print("\n".join(reports.table(turns, PIL, goals={BATCHES: DATA_GOALS[size]})), flush=True)
        found[str(size)] = _figures(turns)
    return found


def from_start(rounds: int) -> Figures:
    """The wait from Start to the first step."""
    found = start.waits(rounds)
    print(f"\nFrom Start to the first step of the {start.RECIPE} recipe, goal {START_SECONDS} s on two cores")
    for name, seconds in found.items():
        print(f"  {name:24} {statistics.median(seconds):5.2f} s [{min(seconds):.2f}-{max(seconds):.2f}]", flush=True)
    return dict(found)


def _turns(
    chosen: Pair, others: Mapping[str, Callable[..., Any]], limits: Limits, rounds: int, compiled: bool
) -> Turns:
    with _photos(chosen) as folder:
        own, steps = partial(project.steps, chosen, folder), LONGER * chosen.steps
        filled = project.steps_an_epoch(chosen) + LONGER  # steps until the cache is complete, and some more
        variants = [
            *(Variant(name, partial(make, folder), steps, warm_up=LONGER) for name, make in others.items()),
            Variant(EXACT, partial(own, "exact"), steps, warm_up=LONGER),
            Variant(FAST, partial(own, "fast"), 2 * steps, warm_up=LONGER),
            Variant(CACHED, partial(own, "fast", cached=True), 2 * steps, warm_up=filled),
        ]
        if compiled:
            decided = project.steps_until_compiled()
            variants += [
                Variant(COMPILED, partial(own, "fast", compiled=True), 2 * steps, warm_up=decided),
                Variant(BOTH, partial(own, "fast", cached=True, compiled=True), 2 * steps, warm_up=filled + decided),
            ]
        return interleave(variants, rounds=rounds, threads=THREADS, between=limits.measure)


def _print_steps(title: str, chosen: Pair, turns: Turns, base: str, goals: Mapping[str, float], limits: Limits) -> None:
    teacher, student = work(chosen)
    flop = {variant: student + (0 if variant in (CACHED, BOTH) else teacher) for variant in turns}
    gigaflops = ", ".join(f"{name} {flops / 1e9:,.0f} GFLOP/s" for name, flops in limits.flops.items())
    print(f"\n{title}, batch {script.batch(chosen)}; limit {gigaflops}")
    print(f"  an image takes {teacher / 1e9:.2f} GFLOP of the teacher and {student / 1e9:.2f} of the student")
    print("\n".join(reports.table(turns, base, goals=goals, flop=flop, limits=limits.flops)))


def _print_profile(turns: Turns) -> None:
    if not GPU:  # where a lap ends before its work is done
        print("  Parts of the time:", *reports.profile(turns), sep="\n", flush=True)


@contextmanager
def _photos(chosen: Pair) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kd-bench-") as folder:
        yield draw_photos(Path(folder), project.train_images(chosen))


def _figures(turns: Turns, limits: Limits | None = None) -> Figures:
    return {"turns": {variant: [asdict(turn) for turn in taken] for variant, taken in turns.items()}} | (
        {"limits": dict(limits.flops)} if limits else {}
    )
