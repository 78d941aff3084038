"""A lock is held while its holder lives, and never because others look at it."""

import subprocess
import sys
import threading
import time

import pytest

from kdcore.files import locks

HOLD = """
import sys, time
from pathlib import Path
from kdcore.files import locks
lock = locks.acquire(Path(sys.argv[1]))
print("held" if lock else "refused", flush=True)
time.sleep(60)
"""
PROBE = """
import sys
from pathlib import Path
from kdcore.files import locks
path, stop, sought = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
found = [0, 0]
while not (found[sought] and stop.exists()):
    found[locks.is_held(path)] += 1
print(*found)
"""
FREE, HELD = 0, 1


def started(code, *arguments):
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_one_holder_at_a_time_in_a_process(tmp_path):
    path = tmp_path / "lock"
    with locks.acquire(path):
        assert locks.acquire(path) is None
        assert locks.is_held(path)
    assert not locks.is_held(path)
    with locks.acquire(path, create=False) as again:
        again.release()
        again.release()
        assert not locks.is_held(path)


def test_what_is_no_file_is_not_held(tmp_path):
    assert not locks.is_held(tmp_path / "missing")
    assert not locks.is_held(tmp_path)
    with pytest.raises(FileNotFoundError):
        locks.acquire(tmp_path / "missing", create=False)
    with pytest.raises(OSError, match="directory"):
        locks.acquire(tmp_path)


def test_a_killed_holder_holds_no_more(tmp_path):
    path = tmp_path / "lock"
    holder, said = started(HOLD, path)
    try:
        assert said == "held"
        assert locks.is_held(path)
        assert locks.acquire(path, patience=0.05) is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not locks.is_held(path)
    with locks.acquire(path):
        pass


def test_many_probers_never_take_each_other_for_a_holder(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    others = [started(PROBE, path, tmp_path / "stop", FREE) for _ in range(3)]
    found = []

    def probe():
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            found.append(locks.is_held(path))

    threads = [threading.Thread(target=probe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (tmp_path / "stop").touch()
    for process, _ in others:
        output, _ = process.communicate(timeout=120)
        free, held = map(int, output.split())
        assert held == 0
        assert free > 0
    assert found
    assert not any(found)


def test_a_prober_that_the_system_interrupts_is_no_holder(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "lock"
    with path.open("w") as interrupted:
        fcntl.flock(interrupted, fcntl.LOCK_SH)  # the state that a probe is in
        assert not locks.is_held(path)
    with locks.acquire(path):
        pass


def test_a_holder_is_seen_and_let_in_among_many_probers(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    others = [started(PROBE, path, tmp_path / "stop", HELD) for _ in range(2)]
    lock = locks.acquire(path, patience=120.0)
    assert lock
    assert locks.is_held(path)
    (tmp_path / "stop").touch()
    for process, _ in others:
        output, _ = process.communicate(timeout=120)
        assert int(output.split()[HELD]) > 0
    lock.release()


def test_a_block_waits_for_the_holder_and_says_so_once(tmp_path):
    path, waited = tmp_path / "lock", []
    lock = locks.acquire(path)
    threading.Timer(0.2, lock.release).start()
    with locks.holding(path, waits=lambda: waited.append(1)):
        assert locks.is_held(path)
    assert waited == [1]
    with locks.holding(path, waits=lambda: waited.append(2)):
        pass
    assert waited == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="earlier versions ran on Linux and macOS alone")
def test_a_writer_of_an_earlier_version_is_seen(tmp_path):
    import fcntl

    path = tmp_path / "lock"
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locks.is_held(path)
        assert locks.acquire(path) is None
    assert not locks.is_held(path)
