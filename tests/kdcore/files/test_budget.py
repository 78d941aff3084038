"""A cache folder keeps to its limit: the least recently used entries go first."""

import os
from pathlib import Path

import pytest

from kdcore.errors import UserError
from kdcore.files import budget


@pytest.fixture
def entries(tmp_path) -> list[Path]:
    """Five files of 100 bytes, the first one used longest ago."""
    found = [tmp_path / name for name in "abcde"]
    for age, path in enumerate(found):
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 + age, 1000 + age))
    return found


@pytest.mark.parametrize(("most", "left"), [(500, "abcde"), (499, "bcde"), (210, "de"), (0, "e")])
def test_the_least_recently_used_go_first_and_the_present_one_stays(tmp_path, entries, most, left):
    budget.trim(entries, most, keep=entries[-1], remove=Path.unlink)
    assert sorted(path.name for path in tmp_path.iterdir()) == list(left)


def test_use_counts_and_an_entry_that_is_in_use_stays(tmp_path, entries):
    budget.touch(entries[0])
    budget.trim(entries, 200, keep=entries[0], remove=lambda path: None if path.name == "b" else path.unlink())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_more_is_removed_where_the_disk_needs_it(tmp_path, entries):
    budget.trim(entries, 1000, keep=entries[-1], remove=Path.unlink, free=150)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "d", "e"]


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("KD_CUES_GB", value)
    with pytest.raises(
        UserError, match=f"KD_CUES_GB is '{value}': give a number of gigabytes, for example 2, or unset"
    ):
        budget.limit("KD_CUES_GB", 2.0)


def test_a_limit_is_the_environment_s_or_the_default(monkeypatch):
    monkeypatch.delenv("KD_CUES_GB", raising=False)
    assert budget.limit("KD_CUES_GB", 2.0) == 2e9
    monkeypatch.setenv("KD_CUES_GB", "0.5")
    assert budget.limit("KD_CUES_GB", 2.0) == 5e8
