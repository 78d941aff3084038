"""Creates `.venv` from requirements.txt, then starts the app or benchmarks in it; used by the Makefile.

Runs on Python 3.7 or newer without any package, so that an unsuitable machine gets a message of one line.

    python3 tools/environment.py              create or update .venv, where it is missing or out of date
    python3 tools/environment.py run          the same, then start the app at HOST and PORT
    python3 tools/environment.py bench [NAME] the same, then run the benchmarks
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
REQUIREMENTS = PROJECT / "requirements.txt"
BENCH_REQUIREMENTS = PROJECT / "requirements-bench.txt"  # optional packages that benchmarks compare with
SPEED = ("train", "scale")  # the benchmarks of docs/performance.md: under half an hour on two cores
VENV = PROJECT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from"  # what a finished environment was created from
UNFINISHED = VENV / "unfinished"  # exists while packages are being installed
LOG = VENV / "pip.log"

PASSCODE = "KD_PASSCODE"  # the operator's, see pages/parts/roles/passcode.py
SHORTEST_PASSCODE = 6
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
SECRETS = PROJECT / ".streamlit" / "secrets.toml"

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")  # tried in this order where python3 is too old
SPACE_GB = 8  # PyTorch comes with its CUDA libraries


class Trouble(Exception):
    """What is wrong and how to fix it, in one line."""


def main(arguments: list[str]) -> None:
    os.chdir(PROJECT)
    task = arguments[0] if arguments else "env"
    if task not in ("env", "run", "bench"):
        raise Trouble(f"Unknown task {task!r}. Known: env, run, bench.")
    use_new_enough_python()
    if task == "run":
        host, port = address()
        make_environment()
        run(host, port)
    make_environment()
    if task == "bench":
        bench(arguments[1:])


def use_new_enough_python() -> None:
    if sys.version_info >= OLDEST:
        return
    oldest, here = ".".join(map(str, OLDEST)), ".".join(map(str, sys.version_info[:2]))
    for name in NEWER:
        if version_of(name):
            print(f"{sys.executable} is Python {here}; using {name}.", flush=True)
            os.execvp(name, [name, *sys.argv])
    raise Trouble(
        f"Python {here} is too old: {oldest} or newer is needed. Install one and choose it, as in `make run PYTHON=python3.12`."
    )


def version_of(python: str | Path) -> str | None:
    """The version of a Python, such as "3.11.7"; None where it does not run."""
    try:
        answer = subprocess.run(
            [str(python), "-c", "import platform; print(platform.python_version())"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    return answer.stdout.decode().strip() if answer.returncode == 0 else None


# --- the environment ---------------------------------------------------------------------------------------------------


def make_environment() -> None:
    """Create or update `.venv`. One whose installation was interrupted is created anew."""
    with Path(__file__).open() as lock:  # a second make waits
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Waiting for another make, which is preparing .venv.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        made_from = STAMP.read_text() if STAMP.is_file() else ""
        version = version_of(VENV_PYTHON)
        if version and made_from == fingerprint(version):
            return

        began = time.monotonic()
        check_venv_module()
        if UNFINISHED.exists() or not version or not can_be_updated(version, made_from):
            check_space()
            create()
        else:
            print("requirements.txt has changed: updating .venv.", flush=True)
        install()
        STAMP.write_text(fingerprint(version_of(VENV_PYTHON) or ""))
        if UNFINISHED.exists():
            UNFINISHED.unlink()
        print(f"The environment is ready ({time.monotonic() - began:.0f} s).", flush=True)


def fingerprint(version: str) -> str:
    return f"python {version}\nrequirements {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}\n"


def can_be_updated(version: str, made_from: str) -> bool:
    """Created by the Python that is still in it; or manually, with one that is new enough."""
    if made_from:
        return made_from.startswith(f"python {version}\n")
    return tuple(int(part) for part in version.split(".")[:2]) >= OLDEST


def check_venv_module() -> None:
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
        import venv  # noqa: F401
    except ImportError:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Trouble(
            f"This Python has no venv module. Install it; on Debian and Ubuntu: apt-get install {package}"
        ) from None


def check_space() -> None:
    free, needed = shutil.disk_usage(str(PROJECT)).free / 1e9, float(os.environ.get("SPACE_GB") or SPACE_GB)
    if free < needed:
        raise Trouble(
            f"{PROJECT} has {free:.1f} GB free; the environment needs about {needed:g} GB (PyTorch with its CUDA "
            "libraries). Free some space, or move the project to a larger disk. For a smaller build of PyTorch, lower the "
            "limit: make env SPACE_GB=3"
        )


def create() -> None:
    """Create an empty `.venv` with this Python. It is marked as unfinished first, so that an interruption is noticed."""
    if VENV.exists():
        print("Recreating .venv: it was unfinished, or belongs to another Python.", flush=True)
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    for old in VENV.iterdir():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(str(old))
        elif old != UNFINISHED:
            old.unlink()
    print(f"Creating .venv with Python {sys.version.split()[0]}. This takes a few minutes, once.", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        output = made.stdout.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise Trouble(f"Python could not create a virtual environment: {output[-1]}")


def install() -> None:
    """Install the requirements with pip. Its output goes to a log; large downloads are named on the screen."""
    pip = [
        str(VENV_PYTHON),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    last_lines: deque[str] = deque(maxlen=60)
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    with LOG.open("w") as log, subprocess.Popen(
        [*pip, "-r", str(REQUIREMENTS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, universal_newlines=True,
        errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            last_lines.append(line.rstrip())
            report(line)
            if line.startswith("Installing collected packages:"):
                UNFINISHED.touch()  # an update that fails before this keeps the old environment
    if process.returncode:
        raise Trouble(explain("\n".join(last_lines)))


def report(line: str) -> None:
    large = re.search(r"Downloading (\S+?)-(\d[^-\s]*)-\S+ \((\d{2,}(?:\.\d)?) (MB|GB)\)", line)
    if large:
        print(f"  downloading {large[1]} {large[2]} ({large[3]} {large[4]})", flush=True)
    elif line.startswith("Installing collected packages:"):
        print(f"  installing {line.count(',') + 1} packages", flush=True)


def explain(output: str) -> str:
    """Why pip failed and how to fix it, from the last lines of its output."""
    log = f"The output of pip is in {LOG}."
    if "No space left on device" in output:
        return (
            f"The disk is full. Free about {SPACE_GB} GB and run make again; TMPDIR=/a/larger/disk moves what pip unpacks, "
            "PIP_NO_CACHE_DIR=1 keeps no downloads."
        )
    unreachable = (
        "Connection",
        "Temporary failure in name resolution",
        "Name or service not known",
        "timed out",
        "ProxyError",
    )
    if any(sign in output for sign in unreachable):
        return (
            "The packages could not be downloaded: is this machine online? Behind a proxy set HTTPS_PROXY; for a mirror or a "
            f"folder of wheels set PIP_INDEX_URL or PIP_FIND_LINKS. Then run make again. {log}"
        )
    errors = (
        [line for line in output.splitlines() if line.startswith("ERROR:")]
        or output.splitlines()[-1:]
        or ["no reason given"]
    )
    missing = [line for line in errors if "No matching distribution found" in line]
    if missing:
        return (
            f"{missing[0][7:]} for Python {sys.version.split()[0]} on this machine. Another Python may work: "
            f"make env PYTHON=python3.12. {log}"
        )
    return f"pip could not install the packages: {errors[-1]} {log}"


# --- app and benchmarks ------------------------------------------------------------------------------------------------


def address() -> tuple[str, int]:
    """HOST and PORT, checked that the app can listen there."""
    host, wanted = os.environ.get("HOST") or "localhost", os.environ.get("PORT") or "8501"
    if not wanted.isdigit() or not 0 < int(wanted) < 65536:
        raise Trouble(f"PORT={wanted} is not a port. Choose a number from 1024 to 65535, as in `make run PORT=8502`.")
    port = int(wanted)
    try:
        for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            if family == socket.AF_INET6 and host == "localhost":
                continue  # many machines resolve localhost to ::1 without IPv6
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise Trouble(
                f"Port {port} on {host} is in use, perhaps by this app (see http://{host}:{port}). "
                f"Choose another: make run PORT={port + 1}"
            ) from None
        if number == errno.EACCES:
            raise Trouble(f"Port {port} needs root rights. Choose one from 1024: make run PORT=8501") from None
        raise Trouble(
            f"HOST={host} is not an address of this machine. Use localhost, or 0.0.0.0 for all networks: make run HOST=0.0.0.0"
        ) from None
    return host, port


def run(host: str, port: int) -> None:
    """Replace this process by the server, so that Ctrl-C and SIGTERM reach it directly."""
    made = new_passcode(host)
    print("\n" + "\n".join(f"  {line}" for line in where_it_is(host, port, made)), flush=True)
    print("  Ready in a few seconds. Ctrl-C stops it; the current run is saved and can be resumed.\n", flush=True)
    options = {
        "server.headless": "true",
        "server.address": host,
        "server.port": port,
        "logger.hideWelcomeMessage": "true",
    }
    if made:
        os.environ[PASSCODE] = made
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    os.execv(str(VENV_PYTHON), [str(VENV_PYTHON), "-m", "streamlit", "run", "app.py", *flags])


def where_it_is(host: str, port: int, made: str = "") -> list[str]:
    """A line per address; where others can reach it, also what they can do, and the passcode if one was made."""
    everywhere = host in ("0.0.0.0", "::")
    shown = "localhost" if everywhere else f"[{host}]" if ":" in host else host
    lines = [f"Distillation Explorer: http://{shown}:{port}"]
    if everywhere:
        lines.append(
            f"For others on this network: http://{network_address()}:{port} or http://{socket.gethostname()}:{port}"
        )
    if os.environ.get("KD_HOSTS"):
        lines.append(f"Also as (KD_HOSTS): {os.environ['KD_HOSTS']}")
    if is_shared(host):
        lines += [
            "Everyone who can reach this address can watch runs, read results and upload photos to their own view.",
            "Only the operator can start, change and delete runs: enter the passcode under Watching, at the top of a page.",
            f"Passcode: {made} (a new one each start; to choose it: {PASSCODE}=...)"
            if made
            else f"Passcode: as set in {PASSCODE} or .streamlit/secrets.toml",
            "Read and written are the folders of data, runs and assets; KD_ALLOW=/a/folder allows more.",
        ]
    return lines


def is_shared(host: str) -> bool:
    """Whether others can reach the app, so that it has two roles."""
    return host not in ("localhost", "127.0.0.1", "::1") or bool(os.environ.get("KD_HOSTS"))


def new_passcode(host: str) -> str:
    """A random passcode where the server needs one and nobody has set it; else nothing."""
    given = os.environ.get(PASSCODE, "")
    if given and len(given) < SHORTEST_PASSCODE:
        raise Trouble(f"{PASSCODE} has {len(given)} characters; choose at least {SHORTEST_PASSCODE}.")
    if given or not is_shared(host) or has_secret():
        return ""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def has_secret() -> bool:
    """Whether .streamlit/secrets.toml sets the passcode."""
    try:
        return re.search(rf"^\s*{PASSCODE}\s*=", SECRETS.read_text(), re.MULTILINE) is not None
    except OSError:
        return False


def network_address() -> str:
    """This machine's address on its network. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def bench(names: list[str]) -> None:
    """Run these benchmarks one after another; by default those of docs/performance.md."""
    folder = PROJECT / "benchmarks"
    files = {file.stem for file in folder.glob("*.py")}
    known = sorted(files | {file.parent.name for file in folder.glob("*/__main__.py")})
    if not known:
        raise Trouble("There are no benchmarks in benchmarks/: the checkout is incomplete.")
    for name in names:
        if name not in known:
            raise Trouble(f"There is no benchmark {name!r}. Known: {', '.join(known)}.")
    chosen = names or [name for name in SPEED if name in known]
    get = [str(VENV_PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(BENCH_REQUIREMENTS)]
    if "train" in chosen and subprocess.run(get).returncode:
        print(
            "The libraries that benchmarks.train compares with could not be installed; it runs without them.",
            flush=True,
        )
    failed = []
    for name in chosen:
        print(f"\n== benchmarks.{name}", flush=True)
        if subprocess.run([str(VENV_PYTHON), "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
    if failed:
        raise Trouble(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        sys.exit(f"\n{trouble}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. The next make starts the unfinished step again; downloads are kept.")
