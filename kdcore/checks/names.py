"""Names of methods and networks, known from source files alone: a misspelt one is refused before torch is loaded."""

import difflib
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from kdcore import plugins
from kdcore.errors import UserError, shortened
from kdcore.paths import PROJECT
from kdcore.recipe import Recipe

OWN = re.compile(r'^    "(\w+)": Own\(', re.MULTILINE)
LIBRARY = re.compile(r"^@register_model(?:\(\))?\s*\n(?:(?:@|\s|\)).*\n)*def (\w+)\(", re.MULTILINE)
TORCHVISION = "torchvision/"
LONGEST_WORD = 80  # that is compared with the known ones: the comparison takes the square of its length


def check(recipe: Recipe) -> None:
    """Refuse methods and networks that do not exist, with the nearest names. Raises UserError."""
    check_methods(recipe)
    for section in ("teacher", "student"):
        spec = getattr(recipe, section)
        if spec and spec.model and not _is_network(name := spec.model.partition(".")[0]):
            raise UserError(
                f"`{section}.model`: there is no network {shortened(spec.model)}.{_near(name, networks())} Use a name of "
                f"timm, torchvision/NAME, or a network of this project: {', '.join(own())}.{plugins.hint(name)}"
            )


def check_methods(recipe: Recipe) -> None:
    """Refuse methods that do not exist, with the nearest names. Raises UserError."""
    for place, term in enumerate(recipe.terms):
        if term.method not in methods():
            raise UserError(
                f"`terms.{place}.method`: unknown method {shortened(term.method)}.{_near(term.method, methods())} "
                f"Known methods: {', '.join(methods())}.{plugins.hint(term.method)}"
            )


def methods() -> tuple[str, ...]:
    """The files of the methods' package, once it is loaded of all folders that it is made of, and plugins."""
    loaded = sys.modules.get("kdcore.methods")
    folders = map(Path, loaded.__path__) if loaded else [PROJECT / "kdcore" / "methods"]
    files = {file.stem for folder in folders for file in folder.glob("[!_]*.py")} - {"base"}
    return tuple(sorted(files | set(plugins.names("method"))))


def own() -> tuple[str, ...]:
    """The networks of this project and of plugins."""
    return (*_in_table(), *plugins.names("network"))


def networks() -> tuple[str, ...]:
    """All networks: this project's, plugins', timm's, and torchvision's as `torchvision/NAME`."""
    return (*own(), *_of_libraries())


@lru_cache(maxsize=1)
def _in_table() -> tuple[str, ...]:
    return tuple(OWN.findall((PROJECT / "kdcore" / "models" / "own.py").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _of_libraries() -> tuple[str, ...]:
    return (*_registered("timm"), *(TORCHVISION + name for name in _registered("torchvision")))


def _is_network(name: str) -> bool:
    loaded = sys.modules.get("timm")  # a program may register networks of its own
    return name in networks() or bool(loaded and loaded.is_model(name))


def _registered(library: str) -> list[str]:
    """The names that a library's files register as networks."""
    found = find_spec(library)
    assert found is not None
    assert found.origin is not None
    files = sorted((Path(found.origin).parent / "models").glob("*.py"))
    return sorted({name for file in files for name in LIBRARY.findall(file.read_text(encoding="utf-8"))})


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:LONGEST_WORD], known, n=3)
    return f" Did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
