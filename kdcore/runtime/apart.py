"""Runs a command of this project in a process of its own, which is ended when it takes too long."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from kdcore.errors import UserError
from kdcore.paths import PROJECT

POLL_SECONDS = 0.2


def run(
    command: Sequence[str],
    *,
    what: str,
    seconds: float,
    instead: str,
    given: str = "",
    environment: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, whatever its exit status.

    Args:
        what: the command's name as the beginning of a sentence, such as `The import`.
        seconds: of wall time.
        instead: how to do the same without this limit, a sentence.
        given: its standard input.
        environment: instead of this process's.
        stopped: whether it is to end now; looked at five times a second.

    Raises:
        UserError: it was stopped, also because it took longer, or could not be started.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", cwd=PROJECT, env=environment
        )
    except OSError as error:
        raise UserError(f"{what} could not be started ({error.strerror}). Try again in a moment.") from error
    end, sent = time.monotonic() + seconds, given
    with process:
        try:
            while True:
                try:
                    out, err = process.communicate(sent or None, timeout=POLL_SECONDS)
                    return subprocess.CompletedProcess(command, process.returncode, out, err)
                except subprocess.TimeoutExpired:
                    sent = ""
                if stopped():
                    raise UserError(f"{what} was stopped.")
                if time.monotonic() > end:
                    raise UserError(f"{what} took longer than {_in_words(seconds)} and was stopped. {instead}")
        finally:
            process.kill()


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds > 60 else f"{seconds:g} seconds"
