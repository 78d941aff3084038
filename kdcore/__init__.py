"""The engine of Distillation Explorer: recipes in, events out. See docs/architecture.md for its packages.

    import kdcore as kd

    run = kd.distill("quick", epochs=3)
    print(run)

What is listed in `__all__` is `kdcore.api`, which is imported on first use: it loads torch, which takes seconds.
"""

import importlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdcore.api import Comparison as Comparison
    from kdcore.api import Recipe as Recipe
    from kdcore.api import Run as Run
    from kdcore.api import build as build
    from kdcore.api import compare as compare
    from kdcore.api import distill as distill
    from kdcore.api import import_weights as import_weights
    from kdcore.api import load as load
    from kdcore.api import load_recipe as load_recipe
    from kdcore.api import prune as prune
    from kdcore.api import run as run
    from kdcore.api import train as train
    from kdcore.api import use_plugins as use_plugins

__version__ = "0.1.0"

# `explain` is a package too, which can be called.
__all__ = [
    "Comparison", "Recipe", "Run", "build", "compare", "distill", "explain", "import_weights", "load", "load_recipe", "prune",
    "run", "train", "use_plugins",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "explain":  # asked for by the engine too, which does without `kdcore.api`
        return made_callable(importlib.import_module("kdcore.explain"))
    if name in __all__:
        return getattr(importlib.import_module("kdcore.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}. For Python there are: {', '.join(__all__)}.")


class _CallablePackage(types.ModuleType):
    """`kdcore.explain` is a package; `import kdcore as kd` offers it as a function too: `kd.explain(network, image)`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return importlib.import_module("kdcore.api").explain(*arguments, **options)


def made_callable(package: types.ModuleType) -> types.ModuleType:
    """The package `kdcore.explain`, which can be called from now on."""
    package.__class__ = _CallablePackage
    return package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
