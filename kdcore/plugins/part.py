"""What a file of a method, heatmap, dataset, test set or network holds, and how a part is found in a module"""

import pkgutil
from collections.abc import Collection, Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar


class Part:
    """A part of this project that a plugin may add. Each kind's base class declares what stands below.

    part_kind: what it is, in messages: `method`, `heatmap`, `dataset`, `test set` or `network`.
    part_name: the name that a module gives it, where it is an instance (`CARD`, `NETWORK`); empty where it is a subclass.
    """

    part_kind: ClassVar[str]
    part_name: ClassVar[str] = ""

    @classmethod
    def taken_names(cls) -> Collection[str]:
        """Names that no plugin of this kind may have: this project's own, and those with another meaning."""
        raise NotImplementedError

    @classmethod
    def usual_files(cls) -> str:
        """What a file of this kind holds, as the end of a sentence."""
        return f"`{cls.part_name} = {cls.__name__}(...)`" if cls.part_name else f"one subclass of {cls.__name__}"


def modules(path: Iterable[str]) -> tuple[pkgutil.ModuleInfo, ...]:
    """The modules in a package's folders, which are listed once in a process: a page looks up a part's name hundreds of times."""
    return _listed(tuple(path))


@lru_cache(maxsize=64)
def _listed(path: tuple[str, ...]) -> tuple[pkgutil.ModuleInfo, ...]:
    return tuple(pkgutil.iter_modules(path))


@lru_cache(maxsize=1024)
def held(module: ModuleType) -> tuple[Any, ...]:
    """The parts that a module defines: subclasses whose name does not begin with `_`, and instances under their usual name."""
    found = {id(value): value for name, value in vars(module).items() if _is_part(module, name, value)}
    return tuple(found.values())


def _is_part(module: ModuleType, name: str, value: Any) -> bool:
    kind = type(value)  # not `isinstance`: a proxy answers for another object, which may not exist yet
    if issubclass(kind, type) and issubclass(value, Part):
        return value.__module__ == module.__name__ and not value.__name__.startswith("_") and not value.part_name
    return issubclass(kind, Part) and name == value.part_name
