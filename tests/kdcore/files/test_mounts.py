"""File systems of the machine's state, from the table of mounts that Linux gives (proc_pid_mountinfo(5))."""

import os

from kdcore.files import mounts

TABLE = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
36 35 98:0 /mnt1 /mnt/my\\040disk rw,noatime master:1 - ext3 /dev/root rw,errors=continue
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu
40 27 0:44 / /net rw - nfs host:/proc rw
"""


def test_only_those_of_the_system_are_found(tmp_path, monkeypatch):
    (tmp_path / "mountinfo").write_text(TABLE)
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "mountinfo")
    assert mounts.system_devices() == {os.makedev(0, 21), os.makedev(0, 29)}


def test_a_system_without_the_table_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "nowhere")
    assert mounts.system_devices() == frozenset()
