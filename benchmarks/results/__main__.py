"""Measures tables of docs/results.md and rewrites them, each with its commit, date and machine.

    python -m benchmarks.results [TABLE ...] [--all] [--list] [--write] [--check]

Without names, the tables that take minutes; --all adds those that take longer. Runs are stored in KD_RESULTS (`.results/`): a
table that was cut goes on where it was, and one that is finished with the present code is not repeated. --write runs nothing
and writes what is finished, --check compares the document with what was measured. One thread a run, unless KD_THREADS says
otherwise.
"""

import argparse
import os
import sys

os.environ.setdefault("KD_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", os.environ["KD_THREADS"])

from benchmarks import trust
from benchmarks.results import document, measuring, record
from benchmarks.results.measuring import Ledger
from benchmarks.results.tables import TABLES, Table, chosen
from kdcore.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE")
    parser.add_argument("--all", action="store_true", help="also the tables that take longer")
    parser.add_argument("--list", action="store_true", help="list the tables with their commands and minutes")
    parser.add_argument("--write", action="store_true", help="write what is finished, run nothing")
    parser.add_argument(
        "--check", action="store_true", help="exit status 1 where the document is not as it would be written"
    )
    options = parser.parse_args()
    try:
        tables = chosen(options.tables, everything=options.all or options.write)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        return show()
    if options.check:
        text = document.DOCUMENT.read_text("utf-8")
        if trust.written(document.written(text, record.read())) == text:
            return 0
        print("docs/results.md is not as it would be written: python -m benchmarks.results --write")
        return 1
    return write(tables) if options.write else measure(tables)


def show() -> int:
    """Print what there is."""
    measured = record.read()
    for table in TABLES:
        found = measured.get(table.name)
        when = document.stamp(found, table.parts()) if found else "Not measured yet."
        needs = f", needs {table.needs}" if table.needs else ""
        print(
            f"{table.name}: about {table.minutes:g} minutes of one core{needs}{', long' if table.long else ''}. {when}"
        )
        for command in table.commands.values():
            print(f"    python -m kdcore {command}")
    return 0


def measure(tables: list[Table]) -> int:
    """Measure the tables one after another; write each as soon as it is finished."""
    ledger, failed = Ledger(), []
    for table in tables:
        print(f"== {table.name}: about {table.minutes:g} minutes of one core", flush=True)
        try:
            if measuring.measure(table, ledger):
                write([table])
                continue
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
        failed.append(table.name)
    if failed:
        print(f"Not finished: {', '.join(failed)}. Run the command again to go on.", file=sys.stderr)
    return int(bool(failed))


def write(tables: list[Table]) -> int:
    """Write what is finished of these tables into the record, and the document from the record."""
    ledger, measured = Ledger(), record.read()
    found = {table.name: measuring.collected(table, ledger) for table in tables}
    measured |= {name: each for name, each in found.items() if each}
    record.write(measured)
    text = document.DOCUMENT.read_text("utf-8")
    document.DOCUMENT.write_text(trust.written(document.written(text, measured)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
