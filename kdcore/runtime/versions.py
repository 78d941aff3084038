"""Versions of the libraries, and the revision of this code; without torch."""

import os
import platform
import subprocess
from functools import lru_cache
from importlib import metadata

from kdcore import __version__
from kdcore.paths import PROJECT

LIBRARIES = ("torch", "torchvision", "timm", "streamlit", "numpy", "safetensors", "pillow")
PATIENCE = 5.0  # seconds for git


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Name -> version, of Python, this project and its libraries; those that are not installed are left out."""
    found = {"python": platform.python_version(), "kdcore": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def revision() -> dict[str, str | bool]:
    """The commit that is checked out, and whether tracked files differ from it; empty where there is no checkout or no git."""
    if not (PROJECT / ".git").exists():
        return {}
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {} if commit is None or changes is None else {"commit": commit, "modified": bool(changes)}


def _git(*arguments: str) -> str | None:
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # another git may be at work here
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=quiet,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
