"""What a file of a method, heatmap, dataset, test set or network holds, and how a part is found in a module"""

import inspect
import pkgutil
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar, get_args, get_origin

from kdcore.errors import UserError, shortened


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


def check_types(owner: object, kind: type, whose: str) -> None:
    """Refuse declarations of a part that are of another type than `kind` annotates; those that are missing pass.

    whose: the part's name in the message.

    Raises:
        UserError: names the declaration, its value and what was expected.
    """
    from pydantic import TypeAdapter, ValidationError  # only where a part is read, so that --help does not wait for it

    for field, hint in inspect.get_annotations(kind).items():
        if not hasattr(owner, field):
            continue
        value = getattr(owner, field)
        wanted = get_args(hint)[0] if get_origin(hint) is ClassVar else hint
        frozen = tuple(value) if type(value) is list else frozenset(value) if type(value) is set else value
        try:
            TypeAdapter(wanted).validate_python(frozen, strict=True)
        except ValidationError as error:
            expected = " or ".join(dict.fromkeys(_expected(each) for each in error.errors(include_url=False)))
            raise UserError(f"`{field}` of {whose} is {shortened(value)}; {expected} was expected.") from None


def _expected(problem: Any) -> str:
    """What pydantic says that a value, or an entry of it, should be."""
    words = re.sub("^Input should be |valid ", "", problem["msg"]).replace("a integer", "an integer")
    return f"{words} as each entry" if problem["loc"] else words
