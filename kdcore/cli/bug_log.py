"""Bugs in a terminal: one sentence on stderr, the traceback in a log file or, with --debug, on stderr."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from kdcore.paths import runs_folder

NAME = "errors.log"  # in the folder of runs
MOST_BYTES = 5 << 20  # then it becomes errors.log.1, in place of an older one


class BugLog(logging.Handler):
    """Appends errors to a file, which is created by the first one. A disk that cannot be written to is no second error."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.ERROR)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self.path = path
        self.used = False

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_file() and self.path.stat().st_size > MOST_BYTES:
                self.path.replace(self.path.with_name(f"{NAME}.1"))
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")
            self.used = True


@contextlib.contextmanager
def bugs_logged(*, debug: bool) -> Iterator[None]:
    """Within it, logged errors go to the file, named at the end, and warnings to stderr; with `debug` all to stderr."""
    if debug:  # without a handler, logging writes to stderr
        yield
        return
    bugs, warnings = BugLog(runs_folder() / NAME), logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    warnings.addFilter(lambda record: record.levelno < logging.ERROR)
    logger = logging.getLogger("kdcore")
    logger.addHandler(bugs)
    logger.addHandler(warnings)
    try:
        yield
    finally:
        logger.removeHandler(bugs)
        logger.removeHandler(warnings)
        if bugs.used:
            print(f"The log is {bugs.path}. With --debug, tracebacks are shown here.", file=sys.stderr)
