"""A disk that a killed test left is unmounted by the next test that needs one."""

import os
import subprocess
import sys

import pytest

from kdcore.paths import PROJECT
from tests.small_disk import small_disk


def test_what_a_killed_process_left_is_unmounted_and_a_living_one_s_is_not(tmp_path):
    left, own, other = (tmp_path / name for name in ("left", "own", "other"))
    for folder in (left, own, other):
        folder.mkdir()
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.small_disk import small_disk\n"
        "with small_disk(Path(sys.argv[1]), 1 << 20) as mounted:\n    os._exit(0 if mounted else 1)  # as by kill -9"
    )
    if subprocess.run([sys.executable, "-c", code, str(left)], cwd=PROJECT).returncode:
        pytest.skip("no small disk can be mounted here: this needs root and mount -t tmpfs")
    assert os.path.ismount(left)
    with small_disk(own, 1 << 20):
        assert not os.path.ismount(left)
        with small_disk(other, 1 << 20):
            assert os.path.ismount(own)
    assert not os.path.ismount(own)
