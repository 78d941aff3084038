"""Draws a recipe's images in a process of its own, before a run needs them; a run that comes meanwhile waits for its rest.

    python -m kdcore.data.draw_ahead DATA      the recipe's data as JSON

Drawing holds Python's lock most of the time: in a process of its own it uses another core, and pages are not delayed by it. It
needs no torch, so it can begin while that is loaded.
"""

import os
import subprocess
import sys

import numpy as np

from kdcore.data import datasets
from kdcore.paths import PROJECT
from kdcore.recipe import DataRecipe, Recipe

NICE = 5  # others go first, but a run may soon wait for it


def start(recipe: Recipe) -> subprocess.Popen[bytes] | None:
    """Begin to draw what is not on the disk yet; None where nothing is to be drawn."""
    data = datasets.of_views(recipe.of_run())
    if not datasets.of(data).to_draw(data.image_size):
        return None
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", __name__, data.model_dump_json()]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=PROJECT, env=os.environ | threads, stdin=silent, stdout=silent, stderr=silent)


def draw(data: DataRecipe) -> None:
    """Draw what is not on the disk yet."""
    dataset = datasets.of(data)
    for pool in dataset.to_draw(data.image_size):
        dataset.read(pool, np.arange(0), data.image_size)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(NICE)
    draw(DataRecipe.model_validate_json(sys.argv[1]))
