"""Programs that are forked behave as those that are started."""

import functools
import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
import uuid
from types import SimpleNamespace

import pytest
from _pytest.assertion import rewrite

from tests import compiled, conftest, warm

TELLS = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), sys.path[0], __name__]), flush=True)
print("an error", file=sys.stderr)
sys.exit(3)
"""
WAITS = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is not set where these tests run in the background
print("waits", flush=True)
time.sleep(600)
"""
ENDS = """
import atexit, sys, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: [time.sleep(0.05), print("a thread")]).start()
"""


def test_a_program_has_its_own_arguments_folder_environment_output_and_status(tmp_path):
    (tmp_path / "tells.py").write_text(TELLS)
    for arguments in (["-m", "tells", "a", "b"], ["tells.py", "a", "b"]):
        with (tmp_path / "output").open("wb") as output:
            program = warm.start(arguments, cwd=tmp_path, env={"KIND": "own"}, output=output)
        assert program.wait(120) == program.poll() == 3
        told, error = (tmp_path / "output").read_text().splitlines()
        assert json.loads(told) == [["a", "b"], str(tmp_path), {"KIND": "own"}, str(tmp_path), "__main__"]
        assert error == "an error"


@pytest.mark.parametrize(
    "last, status, told", [("", 0, ""), ("sys.exit('a reason')", 1, "a reason"), ("1 / 0", 1, "ZeroDivisionError")]
)
def test_a_program_ends_after_its_threads_and_with_what_it_registered(tmp_path, last, status, told):
    (tmp_path / "ends.py").write_text(ENDS + last)
    with (tmp_path / "output").open("wb") as output:
        assert warm.start(["ends.py"], cwd=tmp_path, env={}, output=output).wait(120) == status
    printed = (tmp_path / "output").read_text()
    assert told in printed
    assert printed.index("a thread") < printed.index("at exit")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_program_is_ended_by_a_signal_and_its_status_says_which(tmp_path, how):
    (tmp_path / "waits.py").write_text(WAITS)
    with (tmp_path / "output").open("wb") as output:
        program = warm.start(["waits.py"], cwd=tmp_path, env=dict(os.environ), output=output)
    while not (tmp_path / "output").read_text():
        assert program.poll() is None
        time.sleep(0.01)
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.01)
    program.send_signal(how)
    assert program.wait(120) == -how
    program.terminate()  # nothing is left to end


def test_workers_share_the_process_that_is_forked_and_one_that_has_ended_is_started_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "a")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(warm, "LIBRARIES", ())
    (tmp_path / "says.py").write_text("import os\nprint(os.getppid())\n")

    def parent() -> str:
        with (tmp_path / "output").open("wb") as output:
            assert warm.start(["says.py"], cwd=tmp_path, env={}, output=output).wait(120) == 0
        return (tmp_path / "output").read_text()

    with monkeypatch.context() as worker:
        worker.setattr(warm, "_process", one := functools.cache(warm._process.__wrapped__))
        first = parent()
    with monkeypatch.context() as worker:
        worker.setattr(warm, "_process", other := functools.cache(warm._process.__wrapped__))
        assert parent() == first
        one().close()
        assert parent() == first
        other().close()
        other.cache_clear()
        parent()  # of a process that is just ending, or of another one
        os.kill(int(parent()), signal.SIGKILL)
        parent()
        other().close()


WORKS = """
import sys
print(sys.stdin.readline().upper(), "torch" in sys.modules, hasattr(sys.modules["__main__"], "__file__"), sys.argv, flush=True)
print("an error", file=sys.stderr)
sys.exit(3)
"""


def test_a_worker_has_the_files_and_the_status_of_the_process_that_stands_for_it(tmp_path, monkeypatch):
    run = os.environ.get(warm.RUN) or uuid.uuid4().hex
    monkeypatch.setenv(warm.RUN, os.environ.get(warm.RUN, ""))  # as it was, afterwards
    python = shlex.split(warm.worker_python(run))
    done = subprocess.run(
        [*python, "-u", "-c", WORKS], input="a line", capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "A LINE True False ['-c']\n", "an error\n")


def test_workers_are_forks_where_the_whole_suite_runs(monkeypatch):
    monkeypatch.setattr(conftest.sys, "dont_write_bytecode", True)  # nothing is compiled here
    monkeypatch.setattr(warm, "worker_python", lambda run: f"python of {run}")
    source = pytest.Config.ArgsSource

    def pythons(args_source):
        specs = [SimpleNamespace(popen=popen, python=None) for popen in (True, False)]  # the second is elsewhere
        config = SimpleNamespace(args_source=args_source, option=SimpleNamespace(testrunuid="a"))
        conftest.pytest_xdist_setupnodes(config, specs)
        return [spec.python for spec in specs]

    assert pythons(source.TESTPATHS) == ["python of a", None]
    assert pythons(source.ARGS) == [None, None]


def test_tests_are_compiled_as_pytest_reads_them(tmp_path):
    path = tmp_path / "test_it.py"
    path.write_text("def test_it():\n    assert [1] == [2]\n")
    compiled.compile_tests(tmp_path)
    code = rewrite._read_pyc(path, rewrite.get_cache_dir(path) / f"test_it{rewrite.PYC_TAIL}")
    names = {}
    exec(code, names)
    with pytest.raises(AssertionError, match=r"assert \[1\] == \[2\]"):
        names["test_it"]()
