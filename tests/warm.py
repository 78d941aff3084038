"""Python programs as forks of a process that has loaded torch and other libraries: a dozen servers load them once.

A program imports this project itself, with its own environment, arguments and working directory.
"""

import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

# None starts a thread, which pandas would do: a fork would lack it.
LIBRARIES = (
    "torch", "torchvision", "timm", "scipy.stats", "scipy.optimize", "cv2", "streamlit", "streamlit.web.bootstrap",
    "streamlit.starlette", "altair", "pydantic", "rich.progress", "cyclopts", "uvicorn",
)  # fmt: skip
BYTES = 1 << 20  # of a request


class Program:
    """A started program, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.pid = int(line.recv(64))
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
    mine, its = socket.socketpair()
    with its:
        request = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": env}).encode()
        assert len(request) < BYTES
        socket.send_fds(_process(), [request], [output.fileno(), its.fileno()])
        return Program(mine)


@functools.cache
def _process() -> socket.socket:
    """Start the process that is forked; it ends with this one, which closes the socket."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in (ours, its):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
    with its:
        command = [sys.executable, str(Path(__file__)), str(its.fileno())]
        # stays this process's child until both end, hence no `wait`
        subprocess.Popen(command, pass_fds=[its.fileno()], start_new_session=True).returncode = 0
    return ours


def _requests(line: socket.socket) -> dict[str, object]:
    """Fork for each request; returns in the forked processes, with the request."""
    lines: dict[int, socket.socket] = {}  # by the program's process id
    while True:
        if select.select([line], [], [], 0.02)[0]:
            request, files, *_ = socket.recv_fds(line, BYTES, 2)
            if not request:  # whoever sends requests has ended
                sys.exit()
            output, its = files[0], socket.socket(fileno=files[1])
            if not (pid := os.fork()):
                for stream in (1, 2):
                    os.dup2(output, stream)
                os.close(output)
                for each in (line, its, *lines.values()):
                    each.close()
                return dict(json.loads(request))
            os.close(output)
            lines[pid] = its
            its.send(str(pid).encode())
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with lines.pop(ended[0]) as its, contextlib.suppress(OSError):
                    its.send(str(os.waitstatus_to_exitcode(ended[1])).encode())


def _run(arguments: list[str], cwd: str, env: dict[str, str]) -> None:
    """Become `python ARGUMENTS`."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    if arguments[0] == "-m":
        sys.path[0] = cwd
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    for _library in LIBRARIES:
        importlib.import_module(_library)
    _run(**_requests(socket.socket(fileno=int(sys.argv[1]))))  # type: ignore[arg-type]
