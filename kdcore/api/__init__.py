"""From Python: recipes, runs, networks, heatmaps and comparisons. `import kdcore as kd` offers what is here.

    run = kd.distill("quick", epochs=3)        # with a progress bar, in a terminal or a notebook
    print(run)                                 # what may be claimed of student and twin
    student = run.network("student")           # a torch module: images [B, 3, H, W] in [0, 1] -> logits [B, K]

Runs are stored where the app and the command line store them (`KD_RUNS`), so the app shows them too, live.
"""

from __future__ import annotations

from pathlib import Path

from kdcore import plugins
from kdcore.api.comparing import Comparison, compare
from kdcore.api.explaining import explain
from kdcore.api.networks import import_weights, load
from kdcore.api.recipes import load_recipe
from kdcore.api.runs import Run, build, distill, prune, run
from kdcore.recipe import Recipe
from kdcore.training.loop import train

__all__ = [
    "Comparison",
    "Recipe",
    "Run",
    "build",
    "compare",
    "distill",
    "explain",
    "import_weights",
    "load",
    "load_recipe",
    "prune",
    "run",
    "train",
    "use_plugins",
]


def use_plugins(*paths: str | Path) -> None:
    """Use methods, networks, heatmaps, datasets and test sets of your own, from Python files or folders of them.

    They are found by their files' names, here and in processes that are started from here; see docs/plugins.md.

    Raises:
        UserError: a file cannot be used; with file and line.
    """
    for path in paths:
        plugins.use(path)
