"""What tests share: nothing is written into the project, and what is skipped is named with what it lacks."""

import atexit
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from pathlib import Path

import execnet
import pytest
from filelock import FileLock

from tests import fast_disk, warm

# Before torch is imported anywhere: one thread, since tests run beside each other, and folders that are thrown away.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("KD_THREADS", "1")
_memory = fast_disk.begin()
_scratch = tempfile.TemporaryDirectory(prefix="kd-tests-")
os.environ["KD_PREPARE"] = "0"  # each server of a test would take five seconds of a processor
os.environ["KD_RUNS"] = f"{_scratch.name}/runs"
os.environ["KD_DATA"] = f"{_scratch.name}/data"

LACKS = {
    "browser": "no browser: apt-get install chromium",
    "gpu": "no GPU: these need a CUDA device and its driver",
    "network": "no downloads: KD_TEST_NETWORK=1 make test",
}


MOST_WORKERS = 8
GARBAGE = (10_000, 10, 20)  # thresholds of the collector: Python's own take a twentieth of all computing here
SERVED = ("e2e", "served")  # folders of tests that wait for a server or a browser
LONGEST = {"test_visitor.py": 10, "test_attacks.py": 9, "test_talk.py": 6, "test_attention_deeper.py": 4}  # others: 2


@pytest.fixture(autouse=True)
def _main_module_stays():
    """Streamlit's test harness replaces it, and processes that are spawned later would run that script."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: while a test waits for a server or a browser, another one computes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, MOST_WORKERS)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("testrunuid", "") is None:  # with xdist
        config.option.testrunuid = uuid.uuid4().hex


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """Workers of the whole suite are forks of a process that has loaded torch; for a few tests, each loads what they need.

    While it loads, the other processor compiles what they will import.
    """
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and hasattr(os, "fork"):
        if not sys.dont_write_bytecode:
            compiling = subprocess.Popen(
                [sys.executable, "-m", "tests.compiled"], cwd=config.rootpath, stderr=subprocess.DEVNULL
            )
            config.add_cleanup(lambda: compiling.wait())
        python = warm.worker_python(config.option.testrunuid)
        for spec in specs:
            if spec.popen:
                spec.python = python


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The order in which every worker begins with its part of the long tests, so that none is left alone at the end.

    xdist gives each worker an equal stretch of this list, and later what others have not begun. The tests of a file share
    servers and browsers, so they stay together, and so do all that use `shared_server`, which is started once.
    """
    shared = {item.path for item in items if "shared_server" in item.fixturenames}
    together: dict[Path | None, list[pytest.Item]] = {}  # by file; None: those of all files with the shared server
    short = []
    for item in items:
        long = item.path.parent.name in SERVED or item.get_closest_marker("slow")
        (together.setdefault(None if item.path in shared else item.path, []) if long else short).append(item)
    lengths = {
        key: sum(LONGEST.get(path.name, 2) for path in {item.path for item in tests}) for key, tests in together.items()
    }
    hands: list[list[pytest.Item]] = [[] for _ in range(workers)]
    loads = [0] * workers
    for key in sorted(together, key=lambda key: (-lengths[key], str(key))):
        least = loads.index(min(loads))
        hands[least] += together[key]
        loads[least] += lengths[key]
    order: list[pytest.Item] = []
    for place, hand in enumerate(hands):
        stretch = (len(items) - len(order)) // (workers - place)
        rest = max(0, stretch - len(hand))
        order += hand + short[:rest]
        short = short[rest:]
    return order + short


def pytest_collection() -> None:
    """Modules and tests stay to the end: looking for garbage among them again and again would take a second of each worker."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    marks = {mark.name for item in items for mark in item.iter_markers()} & LACKS.keys()
    lacking = {name for name in marks if not _has(name)}
    for item in items:
        for name in sorted(lacking):
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=LACKS[name]))


def pytest_collection_finish() -> None:
    """What collecting leaves is held to the end: later collections of garbage need not walk half a million objects again.

    Streamlit's hundred loggers pass their records on: pytest would add its handlers to each and remove them six times a test.
    """
    for logger in getattr(sys.modules.get("streamlit.logger"), "_loggers", {}).values():
        logger.propagate = True
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # otherwise libraries report frozen objects as leaked
    fast_disk.end(_memory)
    if "PYTEST_XDIST_WORKER" in os.environ:
        atexit.register(_leave)


def _leave() -> None:
    """A worker ends without taking its modules apart, once it has sent all results."""
    atexit.unregister(_leave)
    warm.end(0)


def _has(name: str) -> bool:
    if name == "gpu":
        import torch

        return torch.cuda.is_available()
    if name == "network":
        return os.environ.get("KD_TEST_NETWORK") == "1"
    return shutil.which("chromium") is not None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were skipped, by reason: the reason says what to install."""
    reasons = Counter(
        re.sub(r"^Skipped: ", "", report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if reasons:
        terminalreporter.section("not run here, and what it takes")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} skipped because {reason}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; skips where there is none."""
    from kdcore.paths import test_data_folder

    folder = test_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no test data: put it in {folder}, or name its folder in KD_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all processes of this session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def cifar10_folder(real_data: Path, shared_folder: Path) -> Path:
    """A data folder with the real CIFAR-10. Manually: `python ../shared/data/cifar10/unpack.py data`."""
    unpack = real_data / "cifar10" / "unpack.py"
    if not unpack.is_file():
        pytest.skip(f"no test data: the real CIFAR-10 is not in {unpack.parent} (KD_TEST_DATA)")
    folder = shared_folder / "cifar10"
    with FileLock(f"{folder}.lock"):  # files that are complete already are left as they are
        subprocess.run([sys.executable, str(unpack), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def drawn_data(shared_folder: Path) -> Path:
    """A data folder for all servers of tests: images are drawn once."""
    return shared_folder / "drawn-data"


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not depend on which Streamlit options the developer has set."""
    for name in list(os.environ):
        if name.startswith("STREAMLIT_"):
            monkeypatch.delenv(name)
