"""Each setting is tried in a process of its own, since it is for the whole of one."""

import subprocess
import sys

import pytest

from kdcore.runtime.allocator import keep_freed_memory

FAULTS = """
import resource, sys
import numpy
from kdcore.runtime.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
numpy.ones(64 << 20, dtype=numpy.uint8)
before = faults()
for _ in range(5):
    numpy.ones(64 << 20, dtype=numpy.uint8)  # 64 MiB, freed at once
print(faults() - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip("no glibc, whose allocator this is about")
    assert done.stderr == ""
    return int(done.stdout)


def test_freed_memory_is_not_faulted_in_again():
    assert faults("keep") < faults("as it is") / 10


def test_asking_again_is_fine():
    assert keep_freed_memory() == keep_freed_memory()
