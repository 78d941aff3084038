"""The generated part of a document, between two comments: written, or compared with `--check`."""

import argparse
from collections.abc import Callable
from pathlib import Path

END = "<!-- end -->"


def replaced(document: str, begin: str, made: str) -> str:
    """The document with `made` between the comment `begin` and the next `END`. Raises ValueError where one is missing."""
    before, started, rest = document.partition(begin)
    _, ended, after = rest.partition(END)
    if not started or not ended:
        raise ValueError(f"The document needs the lines {begin} and {END} around its generated part.")
    return f"{before}{begin}\n\n{made}\n\n{END}{after}"


def main(description: str, path: Path, written: Callable[[str], str]) -> int:
    """Write a document anew, or compare it; returns the exit status."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where something differs")
    current = path.read_text(encoding="utf-8")
    made = written(current)
    if parser.parse_args().check:
        return int(made != current)
    path.write_text(made, encoding="utf-8")
    return 0
