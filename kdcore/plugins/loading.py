"""Loads plugins: each module is imported once, its part found and checked; what is wrong is a sentence with file and line"""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from kdcore.errors import PLUGIN, UserError, clipped, in_words, shortened, visible
from kdcore.files import reading
from kdcore.plugins.part import held
from kdcore.plugins.sources import Source, absolute, stored_in

MOST_BYTES = 64 << 20  # of a file
PREFIX = "kdcore_plugins"  # of the names of modules that are loaded from a path
NAME = re.compile(r"[a-z]\w{0,59}", re.ASCII)
Found = TypeVar("Found")
ADVICE = "docs/plugins.md has an example of each kind."


@dataclass(frozen=True)
class Plugin:
    """A part that was found outside of this project.

    kind, name: what it is, and how recipes, pages and the command line call it: as its file.
    part: a subclass of the kind's base class, or an instance: see `Part`.
    where: its file, or the folder of its package; of an installed package its name, version and module.
    sha256: of the file; of a package of files, of all of them.
    """

    kind: str
    name: str
    part: Any
    module: ModuleType
    where: str
    sha256: str


@dataclass(frozen=True)
class Problem:
    """A plugin that is not used, and why. `name` is the one that its part would have."""

    name: str
    where: str
    reason: str

    def __str__(self) -> str:
        return visible(f"The plugin {self.where} is not used: {self.reason}")


def load(source: Source) -> list[Plugin | Problem]:
    """The parts of one source. Raises nothing: what cannot be used is a `Problem`."""
    if source.package:
        return _installed(source)
    try:
        path = absolute(source.text)
    except UserError as error:
        return [Problem(Path(source.text).stem, source.text, str(error))]
    try:
        return _at(path)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or error}). Change its permissions, or move it."
        return [Problem(path.stem, str(path), reason)]


def _at(path: Path) -> list[Plugin | Problem]:
    """The parts of a file or folder. Raises OSError where the folder cannot be read."""
    if path.is_file():
        return [_from_file(path)]
    if (path / "__init__.py").is_file():
        return _from_package(path)
    with os.scandir(path):  # which raises where `glob` finds nothing
        pass
    files = sorted(each for each in path.glob("[!_.]*.py") if each.is_file() and not stored_in(each.resolve()))
    packages = sorted(each.parent for each in path.glob("[!_.]*/__init__.py") if not stored_in(each.resolve()))
    found = [_from_file(each) for each in files] + [one for each in packages for one in _from_package(each)]
    return found or [Problem(path.name, str(path), f"the folder has no .py file and no package. {ADVICE}")]


def _from_file(path: Path) -> Plugin | Problem:
    def found() -> Plugin | Problem:
        return _checked(_imported(path, path), path, path.stem, str(path), _hash([path]))

    return _guarded(found, path.stem, str(path), path)


def _from_package(folder: Path) -> list[Plugin | Problem]:
    def found() -> list[Plugin | Problem]:
        return _of_package(_imported(folder / "__init__.py", folder), str(folder))

    every = _guarded(found, folder.stem, str(folder), folder)
    return [every] if isinstance(every, Problem) else every


def _installed(source: Source) -> list[Plugin | Problem]:
    where = f"{source.package} ({source.text})"
    name = source.text.rpartition(".")[2]
    if ":" in source.text:
        reason = f"its entry point names {source.text}, but a module was expected: leave out the colon."
        return [Problem(name, where, reason)]

    def found() -> list[Plugin | Problem]:
        file = _file_of(importlib.util.find_spec(source.text))
        module = importlib.import_module(source.text)
        if hasattr(module, "__path__"):
            return _of_package(module, where)
        return [_checked(module, file, name, where, _hash([file]))]

    every = _guarded(found, name, where, _folder(source.text.partition(".")[0]))
    return [every] if isinstance(every, Problem) else every


def _of_package(package: ModuleType, where: str) -> list[Plugin | Problem]:
    """Every module of a package that holds a part; others, and those whose name begins with `_`, are its helpers."""
    folders = [Path(each) for each in package.__path__]
    digest = _hash([file for folder in folders for file in sorted(folder.rglob("*.py"))])
    found: list[Plugin | Problem] = []
    for each in pkgutil.iter_modules(package.__path__):
        odd = any(file.exists() and not file.is_file() for file in (folder / f"{each.name}.py" for folder in folders))
        if each.name.startswith("_") or each.ispkg or odd:
            continue
        place = f"{where}/{each.name}.py" if Path(where).is_dir() else where
        part = _guarded(partial(_in_package, package, each, place, digest), each.name, place, folders[0])
        found += [replace(part, where=where) if isinstance(part, Plugin) else part] if part else []
    none = f"none of its files holds a part. {ADVICE}"
    return found or [Problem(package.__name__.rpartition(".")[2], where, none)]


def _in_package(package: ModuleType, listed: pkgutil.ModuleInfo, place: str, sha256: str) -> Plugin | Problem | None:
    """The part of one module of a package; None where it holds none."""
    module = importlib.import_module(f"{package.__name__}.{listed.name}")
    file = _file_of(listed.module_finder.find_spec(module.__name__, None))
    return _checked(module, file, listed.name, place, sha256) if held(module) else None


def _guarded(found: Callable[[], Found], name: str, where: str, path: Path) -> Found | Problem:
    """What a function finds in a plugin, or why it fails: code of others may raise anything, also when it is only looked at."""
    try:
        return found()
    except KeyboardInterrupt:  # Ctrl-C, no failure of a file
        raise
    except BaseException as error:
        return Problem(name, where, _why(error, path))


def _imported(file: Path, path: Path) -> ModuleType:
    """A module from a path, under a name of its own: two files of one name in two folders are two modules."""
    name = f"{PREFIX}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}.{path.stem}"
    if name in sys.modules:  # a file that is given, in a folder that is given too
        return sys.modules[name]
    places = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _checked(module: ModuleType, file: Path, name: str, where: str, sha256: str) -> Plugin | Problem:
    """A module's part, or why it cannot be used. Raises what the part's own code raises."""
    parts = held(module)
    if len(parts) != 1:
        few = "it holds no part" if not parts else f"it holds {len(parts)} parts ({', '.join(map(_called, parts))})"
        return Problem(name, where, f"{few}; one was expected in each file, whose name is the part's name. {ADVICE}")
    part = parts[0]
    if not NAME.fullmatch(name):
        wanted = "small letters first, then letters, digits and underscores"
        reason = f"{shortened(name)} cannot be the name of a {part.part_kind}: {wanted}. Rename the file."
        return Problem(name, where, reason)
    if name in part.taken_names():
        reason = f"there is a {part.part_kind} {name!r} already, or the name has a meaning of its own. Rename the file."
        return Problem(name, where, reason)
    try:
        part.check_part(module)
    except UserError as error:
        return Problem(name, where, str(error))
    setattr(module, PLUGIN, file.name)  # so that a failure in it is named by file and line
    module.__file__ = str(file)  # which the module may have removed
    return Plugin(part.part_kind, name, part, module, where, sha256)


def _called(part: Any) -> str:
    return f"the {part.part_kind} {part.__name__ if isinstance(part, type) else part.part_name}"


def _why(error: BaseException, path: Path) -> str:
    """Where in the plugin's files it failed, and why."""
    try:
        file = Path(str(error.filename)) if isinstance(error, SyntaxError) else None
        if isinstance(error, SyntaxError) and file and file.is_relative_to(path):
            what = f"{type(error).__name__}: {clipped(str(error.msg))}"
            return f"{_line(file, error.lineno, path)}{what}. Correct the file."
        words = in_words(error).removesuffix(".")
        return f"{_last_line(error, path)}{words}. Correct the file, or install what it imports."
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "it raised an exception whose kind and message cannot be read. Correct the file."


def _last_line(error: BaseException, path: Path) -> str:
    """The last line of the plugin's files that an exception passed; empty where it passed none."""
    last, trace = "", error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(path):
            last = _line(file, trace.tb_lineno, path)
        trace = trace.tb_next
    return last


def _line(file: Path, line: object, path: Path) -> str:
    """A file and a line in it as the beginning of a sentence; without the line where there is none."""
    named = "" if file == path else file.name
    numbered = f"line {line}" if isinstance(line, int) and line > 0 else ""
    words = ", ".join(each for each in (named, numbered) if each)
    return f"{words}: " if words else ""


def _folder(package: str) -> Path:
    """The folder of an installed package, or its file; where it is not found, a path that no file is in."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # no name of a package, or one that has removed its `__spec__`
        found = None
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0] if places else (found and found.origin) or package or "no package")


def _file_of(spec: ModuleSpec | None) -> Path:
    return Path(str(spec and spec.origin))


def _hash(files: list[Path]) -> str:
    """Of their contents; without those that are gone or no plain files, such as the locks of an editor."""
    digest = hashlib.sha256()
    for file in files:
        with contextlib.suppress(OSError):
            digest.update(reading.read_whole(file, MOST_BYTES))
    return digest.hexdigest()
