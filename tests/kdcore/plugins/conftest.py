"""Plugins in temporary folders: the examples of docs/plugins.md, and files that a test writes."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kdcore import plugins
from kdcore.paths import PROJECT

DOCUMENT = (PROJECT / "docs" / "plugins.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"## [^\n]*`(\w+\.py)`\n+```python\n(.*?)```", DOCUMENT, re.DOTALL))


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch):
    """Each test begins without plugins."""
    monkeypatch.setenv(plugins.VARIABLE, "")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file into a folder for plugins, and returns its path."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / "plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def documented(write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples of docs/plugins.md as a folder in KD_PLUGINS."""
    for name, text in EXAMPLES.items():
        folder = write(name, text).parent
    monkeypatch.setenv(plugins.VARIABLE, os.fspath(folder))
    return folder
