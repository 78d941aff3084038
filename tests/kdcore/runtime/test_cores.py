import os

import pytest

from kdcore.errors import UserError
from kdcore.runtime import control_groups, cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A machine of 64 cores and the folder of its control groups, as yet without a limit."""
    monkeypatch.delenv("KD_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(control_groups, "ROOT", tmp_path / "groups")
    monkeypatch.setattr(control_groups, "OWN", tmp_path / "own")
    (tmp_path / "groups").mkdir()
    return tmp_path / "groups"


def test_without_a_limit_all_cores_count(groups):
    (groups / "cpu.max").write_text("max 100000\n")
    assert cores.count() == 64


@pytest.mark.parametrize(("quota", "wanted"), [(200000, 2), (250000, 3), (50000, 1), (9_900_000, 64)])
def test_a_containers_share_of_processor_time_limits_the_cores(groups, quota, wanted):
    (groups / "cpu.max").write_text(f"{quota} 100000\n")
    assert cores.count() == wanted


def test_version_1_of_control_groups_has_other_names(groups):
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_period_us").write_text("50000\n")
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cores.count() == 64
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    assert cores.count() == 4


def test_the_lowest_limit_of_all_groups_above_counts(groups):
    (groups.parent / "own").write_text("0::/a/b\n")
    (groups / "a" / "b").mkdir(parents=True)
    (groups / "a" / "b" / "cpu.max").write_text("800000 100000\n")
    (groups / "a" / "cpu.max").write_text("300000 100000\n")
    assert cores.count() == 3


def test_cores_that_a_batch_system_did_not_give_do_not_count(groups, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4, 5, 6})
    assert cores.count() == 3


def test_a_system_without_affinity_and_control_groups(groups, monkeypatch):
    groups.rmdir()
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.count() == 64


def test_processes_share_the_cores_and_the_app_leaves_one_to_its_pages(groups, monkeypatch):
    (groups / "cpu.max").write_text("400000 100000\n")
    assert [cores.threads(), cores.threads(2), cores.threads(8), cores.beside_pages()] == [4, 2, 1, 3]
    monkeypatch.setenv("KD_THREADS", "7")
    assert cores.threads(2) == 7


def test_libraries_start_as_many_threads_as_the_share_allows(groups, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores.limit_libraries()
    assert "OMP_NUM_THREADS" not in os.environ
    (groups / "cpu.max").write_text("200000 100000\n")
    cores.limit_libraries()
    assert os.environ["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cores.limit_libraries()
    assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    "text", ["", "max", "9" * 400 + " 100000", "-1 100000", "100000", "1 2 3", "a b", "0 0", "\udcff"]
)
def test_what_is_no_limit_is_none(groups, text):
    (groups / "cpu.max").write_bytes(text.encode(errors="surrogateescape"))
    (groups.parent / "own").write_text(f"0::/{'a' * 300}/b\n")  # longer than a name can be
    assert cores.count() == 64


def test_a_group_named_like_a_controller_is_none_of_version_1(groups):
    (groups / "cgroup.controllers").write_text("cpu memory\n")  # which the root of version 2 has
    (groups / "cpu").mkdir()
    (groups / "cpu.max").write_text("200000 100000\n")
    assert cores.count() == 2


@pytest.mark.parametrize("given", ["abc", "0", "-3", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(groups, monkeypatch, given):
    monkeypatch.setenv("KD_THREADS", given)
    with pytest.raises(UserError, match=f"KD_THREADS is '{given}': set it to a number of threads from 1"):
        cores.threads()
