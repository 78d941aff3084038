"""Loads plugins: each module is imported once, its part found and checked; what is wrong is a sentence with file and line"""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from kdcore.errors import PLUGIN, UserError, clipped, in_words, shortened, visible
from kdcore.files import reading
from kdcore.plugins.part import held
from kdcore.plugins.sources import Source, absolute, stored_in

MOST_BYTES = 64 << 20  # of a file
PREFIX = "kdcore_plugins"  # of the names of modules that are loaded from a path
NAME = re.compile(r"[a-z]\w{0,59}", re.ASCII)
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
        return list(_installed(source))
    try:
        path = absolute(source.text)
    except UserError as error:
        return [Problem(Path(source.text).stem, source.text, str(error))]
    try:
        return _at(path)
    except OSError as error:
        return [
            Problem(
                path.stem,
                str(path),
                f"it cannot be read ({error.strerror or error}). Change its permissions, or move it.",
            )
        ]


def _at(path: Path) -> list[Plugin | Problem]:
    """The parts of a file or folder. Raises OSError where the folder cannot be read."""
    if path.is_file():
        return [_from_file(path)]
    if (path / "__init__.py").is_file():
        return list(_from_package(path))
    with os.scandir(path):  # which raises where `glob` finds nothing
        pass
    files = sorted(each for each in path.glob("[!_.]*.py") if each.is_file() and not stored_in(each.resolve()))
    packages = sorted(each.parent for each in path.glob("[!_.]*/__init__.py") if not stored_in(each.resolve()))
    found = [_from_file(each) for each in files] + [one for each in packages for one in _from_package(each)]
    return found or [Problem(path.name, str(path), f"the folder has no .py file and no package. {ADVICE}")]


def _from_file(path: Path) -> Plugin | Problem:
    module = _imported(path, path)
    return module if isinstance(module, Problem) else _checked(module, path.stem, str(path), _hash([path]))


def _from_package(folder: Path) -> Iterator[Plugin | Problem]:
    package = _imported(folder / "__init__.py", folder)
    if isinstance(package, Problem):
        yield package
    else:
        yield from _of_package(package, str(folder))


def _installed(source: Source) -> Iterator[Plugin | Problem]:
    where = f"{source.package} ({source.text})"
    name = source.text.rpartition(".")[2]
    if ":" in source.text:
        yield Problem(
            name, where, f"its entry point names {source.text}, but a module was expected: leave out the colon."
        )
        return
    try:
        module = importlib.import_module(source.text)
    except BaseException as error:
        _let_through(error)
        yield Problem(name, where, _why(error, _folder(source.text.partition(".")[0])))
        return
    if hasattr(module, "__path__"):
        yield from _of_package(module, where)
    else:
        file = Path(str(module.__file__))
        yield _checked(module, name, where, _hash([file]))


def _of_package(package: ModuleType, where: str) -> Iterator[Plugin | Problem]:
    """Every module of a package that holds a part; others, and those whose name begins with `_`, are its helpers."""
    folders = [Path(each) for each in package.__path__]
    digest = _hash([file for folder in folders for file in sorted(folder.rglob("*.py"))])
    found: list[Plugin | Problem] = []
    for each in pkgutil.iter_modules(package.__path__):
        odd = any(file.exists() and not file.is_file() for file in (folder / f"{each.name}.py" for folder in folders))
        if each.name.startswith("_") or each.ispkg or odd:
            continue
        name, place = f"{package.__name__}.{each.name}", f"{where}/{each.name}.py" if Path(where).is_dir() else where
        try:
            module = importlib.import_module(name)
        except BaseException as error:
            _let_through(error)
            found.append(Problem(each.name, place, _why(error, folders[0])))
            continue
        if held(module):
            part = _checked(module, each.name, place, digest)
            found.append(replace(part, where=where) if isinstance(part, Plugin) else part)
    yield from found or [
        Problem(package.__name__.rpartition(".")[2], where, f"none of its files holds a part. {ADVICE}")
    ]


def _imported(file: Path, path: Path) -> ModuleType | Problem:
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
    except BaseException as error:
        sys.modules.pop(name, None)
        _let_through(error)
        return Problem(path.stem, str(path), _why(error, path))
    return module


def _checked(module: ModuleType, name: str, where: str, sha256: str) -> Plugin | Problem:
    """A module's part, or why it cannot be used."""
    parts = held(module)
    if len(parts) != 1:
        few = "it holds no part" if not parts else f"it holds {len(parts)} parts ({', '.join(map(_called, parts))})"
        return Problem(name, where, f"{few}; one was expected in each file, whose name is the part's name. {ADVICE}")
    part = parts[0]
    if not NAME.fullmatch(name):
        wanted = "small letters first, then letters, digits and underscores"
        return Problem(
            name, where, f"{shortened(name)} cannot be the name of a {part.part_kind}: {wanted}. Rename the file."
        )
    try:
        if name in part.taken_names():
            return Problem(
                name,
                where,
                f"there is a {part.part_kind} {name!r} already, or the name has a meaning of its own. Rename the file.",
            )
        part.check_part(module)
    except UserError as error:
        return Problem(name, where, str(error))
    except Exception as error:
        return Problem(name, where, _why(error, Path(str(module.__file__))))
    setattr(module, PLUGIN, Path(str(module.__file__)).name)  # so that a failure in it is named by file and line
    return Plugin(part.part_kind, name, part, module, where, sha256)


def _called(part: Any) -> str:
    return f"the {part.part_kind} {part.__name__ if isinstance(part, type) else part.part_name}"


def _let_through(error: BaseException) -> None:
    """Raise what is no failure of a file: Ctrl-C."""
    if isinstance(error, KeyboardInterrupt):
        raise error


def _why(error: BaseException, path: Path) -> str:
    """Where in the plugin's files an import failed, and why."""
    words = in_words(error)
    if isinstance(error, SyntaxError) and isinstance(error.filename, str) and Path(error.filename).is_relative_to(path):
        line = error.lineno if isinstance(error.lineno, int) else 1
        return f"{_line(Path(error.filename), line, path)}{type(error).__name__}: {clipped(str(error.msg))}. Correct the file."
    last, trace = "", error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(path):
            last = _line(file, trace.tb_lineno, path)
        trace = trace.tb_next
    return f"{last}{words.removesuffix('.')}. Correct the file, or install what it imports."


def _line(file: Path, line: int, path: Path) -> str:
    return f"line {line}: " if file == path else f"{file.name}, line {line}: "


def _folder(package: str) -> Path:
    """The folder of an installed package, or its file."""
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0] if places else (found and found.origin) or "/")


def _hash(files: list[Path]) -> str:
    """Of their contents; without those that are gone or no plain files, such as the locks of an editor."""
    digest = hashlib.sha256()
    for file in files:
        with contextlib.suppress(OSError):
            digest.update(reading.read_whole(file, MOST_BYTES))
    return digest.hexdigest()
