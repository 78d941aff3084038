"""Folders of runs, data and assets, which environment variables move; and which files a shared server may read.

On the command line, and in an app that only this machine reaches, every file that the user may read can be used. Where others
reach the app it calls `restrict`: then only files in these three folders and in those of `KD_ALLOW` can be.
"""

import os
from collections.abc import Callable
from pathlib import Path

from kdcore.errors import NotAllowed, clipped

PROJECT = Path(__file__).resolve().parents[1]
IN_CHECKOUT = (PROJECT / "assets" / "recipes").is_dir()  # else installed: the assets are in the package
ASSETS = PROJECT / "assets" if IN_CHECKOUT else Path(__file__).resolve().parent / "assets"
ALLOW = "KD_ALLOW"

_restricted: Callable[[], bool] = lambda: False  # noqa: E731


def _home() -> Path:
    return PROJECT if IN_CHECKOUT else Path.cwd()


def runs_folder() -> Path:
    """Folder of run folders: `KD_RUNS`, else `runs/` in the project; of an installed package in the current folder."""
    return given(os.environ.get("KD_RUNS") or _home() / "runs").resolve()


def data_folder() -> Path:
    """Folder of downloaded and generated datasets: `KD_DATA`, else `data/` in the project; of an installed package in the
    current folder."""
    return given(os.environ.get("KD_DATA") or _home() / "data").resolve()


def test_data_folder() -> Path:
    """Folder of real data that only tests and benchmarks read: `KD_TEST_DATA`, else `../shared/data`."""
    return given(os.environ.get("KD_TEST_DATA") or PROJECT.parent / "shared" / "data").resolve()


def weights_folder() -> Path:
    """Where a recipe's weight files are looked for by their names."""
    return data_folder() / "weights"


def weight_file(name: str) -> Path:
    """A weight file by its path or, where there is none, by its name in `weights/` of the data folder.

    Raises:
        NotAllowed: it is outside the allowed folders.
    """
    own = weights_folder() / name
    path = given(name)
    if not path.is_absolute() and not is_allowed(path) and is_allowed(own):
        return own
    return path if os.path.isfile(allowed(path)) or path.is_absolute() else allowed(own)


def bundled_model(name: str, ending: str) -> Path | None:
    """A file of a bundled model by the model's name, None where there is none; a name with folders in it is none."""
    file = ASSETS / "models" / f"{name}{ending}"
    return file if file.parent == ASSETS / "models" and os.path.isfile(file) else None


def given(text: str | Path) -> Path:
    """A path as a user gives it, with `~` expanded; `~name` of an unknown user stays, so that there is no such file.

    Whether it exists is for `os.path.exists` and its like, which take what no file system does, such as 5,000 characters.
    """
    return Path(os.path.expanduser(text))


def portable(text: str) -> str:
    """A path for a file that may be moved with the folders of data and runs: `$KD_DATA/...` or `$KD_RUNS/...` inside them.

    Others become absolute; a name that is no file or folder here, such as that of a weight file in the data folder, stays.
    """
    path = given(expanded(text))
    if not path.is_absolute() and not os.path.exists(path):
        return text
    for name, folder in (("KD_DATA", data_folder()), ("KD_RUNS", runs_folder())):
        if (real := path.resolve()).is_relative_to(folder):
            return f"${name}/{real.relative_to(folder).as_posix()}"
    return str(path.absolute())


def last_part(text: str) -> str:
    """The name of a file or folder, without where it is on this machine; of a relative path all of it."""
    path = Path(os.path.expanduser(text))
    return path.name if path.is_absolute() else text


def expanded(text: str) -> str:
    """A path as `portable` writes it, for this machine."""
    for name, folder in (("$KD_DATA/", data_folder), ("$KD_RUNS/", runs_folder)):
        if text.startswith(name):
            return str(folder() / text.removeprefix(name))
    return text


def restrict(when: Callable[[], bool]) -> None:
    """Restrict reading to the allowed folders while `when` returns True."""
    global _restricted
    _restricted = when


def allowed_folders() -> list[Path]:
    """Runs, data, assets, and the folders in `KD_ALLOW`, separated as in PATH; without symbolic links."""
    also = filter(None, os.environ.get(ALLOW, "").split(os.pathsep))
    return [runs_folder(), data_folder(), ASSETS.resolve(), *(given(each).resolve() for each in also)]


def is_allowed(path: Path) -> bool:
    """Whether a file or folder may be read: symbolic links and `..` are followed first."""
    if not _restricted():
        return True
    try:
        real = given(path).resolve()
    except (OSError, RuntimeError, ValueError):  # a circular link, an unknown user, a null character
        return False
    return any(real.is_relative_to(folder) for folder in allowed_folders())


def allowed(path: Path) -> Path:
    """The path itself. Raises NotAllowed where it may not be read; whether it exists is not said."""
    if is_allowed(path):
        return path
    raise NotAllowed(
        f"{clipped(str(path))!r} is outside the folders that this server may read, since others can reach it: data, runs and "
        f"assets. Copy the files into the data folder, or start the server with {ALLOW}=/that/folder."
    )
