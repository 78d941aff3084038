"""A short program given as text, in a process that has torch loaded already: python -m tests.program CODE"""

import contextlib
import os
import sys
import tempfile

from kdcore.paths import PROJECT
from tests import warm


def ran(*codes: str) -> list[tuple[int, str]]:
    """Run them at once, each in a process of its own. Returns the status and the output of each."""
    found = []
    with contextlib.ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile()) for _ in codes]
        started = [
            warm.start(["-m", "tests.program", code], cwd=PROJECT, env=dict(os.environ), output=output)
            for code, output in zip(codes, outputs, strict=True)
        ]
        for program, output in zip(started, outputs, strict=True):
            status = program.wait(120)
            output.seek(0)
            found.append((status, output.read().decode()))
    return found


if __name__ == "__main__":
    exec(sys.argv[1], {"__name__": "__main__"})
