"""Runs a command of this project in a process of its own, which is ended when it takes too long."""

import subprocess
from collections.abc import Mapping, Sequence

from kdcore.errors import UserError
from kdcore.paths import PROJECT


def run(
    command: Sequence[str],
    *,
    what: str,
    seconds: float,
    instead: str,
    given: str = "",
    environment: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, whatever its exit status.

    Args:
        what: the command's name as the beginning of a sentence, such as `The import`.
        seconds: of wall time.
        instead: how to do the same without this limit, a sentence.
        given: its standard input.
        environment: instead of this process's.

    Raises:
        UserError: it took longer and was stopped, or could not be started.
    """
    try:
        return subprocess.run(
            command, input=given, capture_output=True, text=True, encoding="utf-8", timeout=seconds, cwd=PROJECT,
            env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"{what} took longer than {_in_words(seconds)} and was stopped. {instead}") from None
    except OSError as error:
        raise UserError(f"{what} could not be started ({error.strerror}). Try again in a moment.") from error


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds > 60 else f"{seconds:g} seconds"
