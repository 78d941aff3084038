"""Python programs as forks of a process that has loaded torch and other libraries: a dozen servers load them once.

A program imports this project itself, with its own environment, arguments and working directory. It ends as others do, except
that what modules hold is not taken apart one by one, which would take longer than all else.

xdist's workers are such programs too where the whole suite runs: `worker_python` is the command that xdist starts as Python.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path
from typing import IO, NoReturn

# None starts a thread, which pandas would do: a fork would lack it.
LIBRARIES = (
    "torch", "torchvision", "timm", "scipy.stats", "scipy.optimize", "cv2", "streamlit", "streamlit.web.bootstrap",
    "streamlit.starlette", "altair", "pydantic", "rich.progress", "cyclopts", "uvicorn",
)  # fmt: skip
BYTES = 1 << 20  # of a request
TRIES = 3
RUN = "PYTEST_XDIST_TESTRUNUID"  # xdist's variable with the id of its session


class Program:
    """A started program, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line, self.pid = line, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = int(self._line.recv(64))
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(arguments: list[str], *, cwd: Path, env: dict[str, str], output: IO[bytes]) -> Program:
    """Run `python ARGUMENTS`, as `-m module ...` or `script.py ...`, with stdout and stderr into a file."""
    for _ in range(TRIES):
        line = _process()
        if program := _requested(line, arguments, str(cwd), env, [output.fileno()]):
            return program
        line.close()  # all others had just ended, and with them the process that is forked
        _process.cache_clear()
    raise RuntimeError("No program could be started.")


def _requested(
    line: socket.socket, arguments: list[str], cwd: str, env: dict[str, str], files: list[int]
) -> Program | None:
    """`files`: one for stdout and stderr, or those of stdin, stdout and stderr. None where no process is there any more."""
    request = json.dumps({"arguments": arguments, "cwd": cwd, "env": env}).encode()
    assert len(request) < BYTES
    mine, its = socket.socketpair()
    with its, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(line, [request], [*files, its.fileno()])
    if pid := mine.recv(64):
        return Program(mine, int(pid))
    mine.close()
    return None


def worker_python(run: str) -> str:
    """For the controller of xdist: what it starts instead of Python, for workers that are forks. `run` is the session's id."""
    if os.environ.get(RUN) != run:
        if _process.cache_info().currsize:
            _process().close()
            _process.cache_clear()
        os.environ[RUN] = run
    _process()
    return shlex.join([sys.executable, "-S", str(Path(__file__)), _address(run)])


def _stand_for(address: str, arguments: list[str]) -> NoReturn:
    """Stand for a forked program, which has this process's files: until it ends, and with its status."""
    program = _requested(_connected(address), arguments, str(Path.cwd()), dict(os.environ), [0, 1, 2])
    os._exit(program.wait() & 0xFF if program else 1)


@functools.cache
def _process() -> socket.socket:
    """A connection to the process that is forked, which all workers of xdist share. It ends when all connections are closed."""
    run = os.environ.get(RUN)
    if not run:
        return _connected(_begun(f"\0kd-warm-{os.getpid()}"))
    from filelock import FileLock

    address = _address(run)
    with FileLock(f"{address}.lock"):
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return _connected(address)
        Path(address).unlink(missing_ok=True)
        return _connected(_begun(address))


def _address(run: str) -> str:
    return str(Path(tempfile.gettempdir()) / f"kd-warm-{run}")


def _begun(address: str) -> str:
    """Start the process that is forked, listening at the address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(address)
        door.listen()
        command = [sys.executable, str(Path(__file__)), str(door.fileno()), *LIBRARIES]
        # stays this process's child until both end, hence no `wait`
        subprocess.Popen(command, pass_fds=[door.fileno()], start_new_session=True).returncode = 0
    return address


def _connected(address: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
    try:
        line.connect(address)
    except OSError:
        line.close()
        raise
    return line


def _requests(door: socket.socket) -> dict[str, object]:
    """Fork for each request; returns in the forked processes, with the request."""
    lines: list[socket.socket] = []  # to those that start programs
    programs: dict[int, socket.socket] = {}  # by process id: to those that wait for them
    while True:
        for ready in select.select([door, *lines], [], [], 0.02)[0]:
            if ready is door:
                lines.append(door.accept()[0])
                continue
            request, files, *_ = socket.recv_fds(ready, BYTES, 4)
            if not request:  # whoever sends requests has ended
                lines.remove(ready)
                ready.close()
                if not lines:
                    end(0)
                continue
            *given, its = *files[:-1], socket.socket(fileno=files[-1])
            if not (pid := os.fork()):
                for stream, file in (
                    zip((0, 1, 2), given, strict=True) if len(given) > 1 else ((1, *given), (2, *given))
                ):
                    os.dup2(file, stream)
                for file in given:
                    os.close(file)
                for each in (door, its, *lines, *programs.values()):
                    each.close()
                return dict(json.loads(request))
            for file in given:
                os.close(file)
            programs[pid] = its
            its.send(str(pid).encode())
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with programs.pop(ended[0]) as its, contextlib.suppress(OSError):
                    its.send(str(os.waitstatus_to_exitcode(ended[1])).encode())


def _run(arguments: list[str], cwd: str, env: dict[str, str]) -> NoReturn:
    """Become `python ARGUMENTS`."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    status = 0
    try:
        if arguments[0] == "-m":
            sys.path[0] = cwd
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif "-c" in arguments:  # as xdist starts its workers; -u changes nothing for them
            sys.path[0] = ""
            sys.argv = ["-c"]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(arguments[-1], main.__dict__)
        else:
            sys.path[0] = str(Path(arguments[0]).resolve().parent)
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as exited:
        status = exited.code if isinstance(exited.code, int) else int(exited.code is not None)
        if isinstance(exited.code, str):
            print(exited.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    end(status)


def end(status: int) -> NoReturn:
    """End this process as Python does, less its modules: with torch among them that takes two seconds of a processor."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever reads it has ended
            stream.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


if __name__ == "__main__" and not sys.argv[1].isdigit():
    _stand_for(sys.argv[1], sys.argv[2:])
elif __name__ == "__main__":
    for _library in sys.argv[2:]:
        importlib.import_module(_library)
    gc.collect()
    gc.freeze()  # what programs share is not walked, and so copied, by every one of them
    _run(**_requests(socket.socket(fileno=int(sys.argv[1]))))  # type: ignore[arg-type]
