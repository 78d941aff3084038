"""Compiles the project's modules and tests once, before xdist's workers import them, which all would compile the same at the same time.

python -m tests.compiled

It only saves time: what it leaves out, for example with a pytest whose functions have other names, each worker compiles itself.
"""

import compileall
import re
from pathlib import Path
from types import SimpleNamespace

from _pytest.assertion import rewrite

from kdcore.paths import PROJECT

PACKAGES = ("kdcore", "pages", "benchmarks", "tools", "tests")


def compile_tests(folder: Path) -> None:
    """Write the bytecode of test files as pytest does, with their assertions rewritten."""
    state = SimpleNamespace(trace=lambda *_: None)
    for path in sorted([*folder.rglob("test_*.py"), *folder.rglob("conftest.py")]):
        cache = rewrite.get_cache_dir(path)
        cache.mkdir(parents=True, exist_ok=True)
        compiled = cache / f"{path.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(path, compiled) is None:
            source_hash, code = rewrite._rewrite_test(path, None)
            rewrite._write_pyc(state, code, source_hash, compiled)


if __name__ == "__main__":
    for name in PACKAGES:
        compileall.compile_dir(PROJECT / name, quiet=2, rx=re.compile(r"/tests/.*/?(test_\w+|conftest)\.py$"))
    compile_tests(PROJECT / "tests")
