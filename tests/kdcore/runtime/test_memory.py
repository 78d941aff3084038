import os

import pytest

from kdcore.runtime import memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Files as Linux has them: 8 GiB available, no container."""
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_free_memory_is_what_the_kernel_calls_available(machine):
    assert memory.free() == 8 * 2**30


def test_a_containers_limit_counts_where_it_is_lower_and_what_files_occupy_is_free(machine):
    (machine / "memory.max").write_text(f"{4 * 2**30}\n")
    (machine / "memory.current").write_text(f"{3 * 2**30}\n")
    (machine / "memory.stat").write_text(f"anon 5\ninactive_file {2**30}\n")
    assert memory.free() == 2 * 2**30


def test_a_container_without_a_limit_is_the_machine(machine):
    (machine / "memory.max").write_text("max\n")
    assert memory.free() == 8 * 2**30


def test_without_meminfo_the_c_library_is_asked(machine):
    (machine / "meminfo").unlink()
    pages = os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.free() <= pages * os.sysconf("SC_PAGE_SIZE")
