from types import SimpleNamespace

import psutil
import pytest

from kdcore.runtime import control_groups, memory

GIB = 2**30


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A machine of 16 GiB, 8 of them available, and the folder of its control groups, as yet without a limit."""
    machine = SimpleNamespace(total=16 * GIB, available=8 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(control_groups, "ROOT", tmp_path / "groups")
    monkeypatch.setattr(control_groups, "OWN", tmp_path / "own")
    (tmp_path / "groups").mkdir()
    (tmp_path / "own").write_text("0::/\n")
    return tmp_path / "groups"


def limited(folder, limit, used, files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {files}\n")


def test_free_memory_is_what_the_system_calls_available(groups):
    assert (memory.free(), memory.total()) == (8 * GIB, 16 * GIB)


def test_a_containers_limit_counts_where_it_is_lower_and_what_files_occupy_is_free(groups):
    limited(groups, 4 * GIB, 3 * GIB, GIB)
    assert (memory.free(), memory.total()) == (2 * GIB, 4 * GIB)


def test_a_container_without_a_limit_is_the_machine(groups):
    limited(groups, "max", 3 * GIB, GIB)
    assert (memory.free(), memory.total()) == (8 * GIB, 16 * GIB)


def test_a_batch_systems_limit_is_found_in_the_groups_above_this_process(groups):
    (groups.parent / "own").write_text("0::/slurm/job_7/step_0\n")
    limited(groups / "slurm" / "job_7" / "step_0", "max", GIB, 0)
    limited(groups / "slurm" / "job_7", 6 * GIB, 5 * GIB, 0)
    assert (memory.free(), memory.total()) == (GIB, 6 * GIB)


def test_version_1_of_control_groups_has_other_names(groups):
    own = groups / "memory" / "docker" / "a1"
    own.mkdir(parents=True)
    (groups.parent / "own").write_text("5:cpu,cpuacct:/\n4:memory:/docker/a1\n0::/\n")
    (own / "memory.limit_in_bytes").write_text(f"{2 * GIB}\n")
    (own / "memory.usage_in_bytes").write_text(f"{GIB}\n")
    (own / "memory.stat").write_text(f"inactive_file 5\ntotal_inactive_file {GIB // 2}\n")
    assert (memory.free(), memory.total()) == (3 * GIB // 2, 2 * GIB)


@pytest.mark.parametrize("limit", ["-1", "9" * 400, "", "lots"])
def test_what_is_no_limit_is_none(groups, limit):
    limited(groups, limit, GIB, 0)
    assert (memory.free(), memory.total()) == (8 * GIB, 16 * GIB)


def test_no_more_is_free_than_the_limit(groups):
    limited(groups, 2 * GIB, GIB, 5 * GIB)
    assert (memory.free(), memory.total()) == (2 * GIB, 2 * GIB)


def test_a_system_without_control_groups_is_the_machine(groups):
    groups.rmdir()
    (groups.parent / "own").unlink()
    assert (memory.free(), memory.total()) == (8 * GIB, 16 * GIB)


def test_this_machine_has_memory():
    assert 0 < memory.free() <= memory.total()
