"""What a table's numbers follow from, as one hash per part: code without its words, recipes, bundled weights and packages.

Comments, docstrings, annotations and messages of errors are no part of the code's hash, since they change no number.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from kdcore.paths import ASSETS, PROJECT
from kdcore.recipe import Recipe

TRAINING = ("tensors", "runtime", "data", "models", "weighting", "methods", "teacher_cache", "training", "setup")
HEATMAPS = ("tensors", "models", "explain")
PINNED = ("torch", "torchvision", "timm", "numpy")
WEIGHTS = "weights"


def of(packages: Sequence[str], recipes: Iterable[Recipe], weights: Iterable[str] = ()) -> dict[str, str]:
    """Part -> its hash: packages of kdcore by name, `recipes`, bundled `weights` and the pinned `versions`.

    Args:
        weights: names of bundled models, besides those that the recipes name.
    """
    recipes = list(recipes)
    plain = [recipe.model_dump(mode="json", exclude={"name", "note"}, exclude_defaults=True) for recipe in recipes]
    models = {recipe.teacher.weights for recipe in recipes if recipe.teacher} | {r.student.weights for r in recipes}
    found = {package: code(PROJECT / "kdcore" / package) for package in packages}
    found["recipes"] = _hash(json.dumps(plain, sort_keys=True))
    found[WEIGHTS] = _weights(frozenset(models | set(weights)))
    found["versions"] = versions()
    return found


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that differ."""
    return [part for part in now if before.get(part) != now[part]]


@lru_cache
def code(folder: Path) -> str:
    """The hash of a package's Python files."""
    files = sorted(folder.rglob("*.py"))
    return _hash("\n".join(f"{file.relative_to(folder)} {meaning(file.read_text('utf-8'))}" for file in files))


def meaning(source: str) -> str:
    """A module's code without what cannot change a number."""
    return ast.dump(_Bare().visit(ast.parse(source)))


@lru_cache
def versions() -> str:
    """The hash of the pinned versions of the packages that compute."""
    lines = (PROJECT / "requirements.txt").read_text("utf-8").splitlines()
    return _hash(
        "\n".join(sorted(line.split("#")[0].strip() for line in lines if re.split(r"[=<>\[ ]", line)[0] in PINNED))
    )


@lru_cache
def _weights(names: frozenset[str]) -> str:
    files = {name: ASSETS / "models" / f"{name}.safetensors" for name in sorted(names)}
    return _hash(" ".join(f"{name} {_hash(file.read_bytes())}" for name, file in files.items() if file.is_file()))


def _hash(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:12]


class _Bare(ast.NodeTransformer):
    """Without docstrings, annotations and the messages of errors."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(body := getattr(node, "body", None), list) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise()

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
