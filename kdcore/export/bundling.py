"""A script with all modules that it imports as one text, for a browser that gets no files: in the app, and in a report."""

import re
from pathlib import Path

IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)
DEFAULT = "export default function"


def script(path: Path) -> str:
    """A module after all that it imports, each once. It exports what the module exports by default.

    The modules share one scope, so their names must differ; imports are written `import {a, b} from "./file.js";`.
    """
    modules: dict[Path, str] = {}
    _collect(path, modules)
    return "\n".join(EXPORT.sub("", IMPORT.sub("", module)) for module in modules.values())


def as_expression(path: Path) -> str:
    """The same as an expression whose value is the default export, so that several stand in one script."""
    text = script(path)
    assert text.count(DEFAULT) == 1, path
    return "(() => {\nlet exported;\n" + text.replace(DEFAULT, "exported = function") + "\nreturn exported;\n})()"


def _collect(path: Path, modules: dict[Path, str]) -> None:
    """Add a module after those that it imports."""
    if path in modules:
        return
    module = path.read_text(encoding="utf-8")
    for imported in IMPORT.findall(module):
        _collect((path.parent / imported).resolve(), modules)
    modules[path] = module
