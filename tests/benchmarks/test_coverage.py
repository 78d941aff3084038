import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import SETTINGS, Setting, compared, misses, right, span


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_simulated_networks_have_the_accuracies_of_their_setting(setting):
    random = np.random.default_rng(0)
    twin, student = np.mean([right(random, setting, 40, 500).mean(axis=(1, 2)) for _ in range(40)], axis=0)
    assert (student + twin) / 2 == pytest.approx(setting.accuracy, abs=0.03)
    assert student - twin == pytest.approx(setting.gap, abs=0.02)


def test_what_is_compared_is_what_runs_would_store():
    found = compared(np.array([[1, 1, 0, 0]] * 2, bool), np.array([[1, 0, 1, 0], [0, 0, 0, 0]], bool))
    assert [pair.apart for pair in found.pairs] == [(1, 1), (2, 0)]
    assert [pair.difference for pair in found.pairs] == [0, 0.5]
    assert found.planned == 2


def test_an_interval_that_is_too_narrow_is_seen(monkeypatch):
    monkeypatch.setattr(coverage, "POOL", 100_000)
    usual = coverage.coverage(Setting("none", 0.6), 3, 200, 150)
    assert usual.covered > 0.9
    monkeypatch.setattr("kdcore.results.comparison.holm.ALPHA", 0.5)
    narrow = coverage.coverage(Setting("none", 0.6), 3, 200, 150)
    assert narrow.covered < 0.75
    assert narrow.claims > 0.25


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_miss_as_often_as_their_level_allows_whatever_the_size_of_an_effect(monkeypatch, seeds):
    """Effects of the seed of every size: the interval of a single comparison, and those of one among twelve."""
    monkeypatch.setattr(coverage, "IMAGE_EFFECTS", (0, 3))
    monkeypatch.setattr(coverage, "SEED_EFFECTS", (0, 1.5, 3, 5, 10, 40, 300))
    low, high = misses(seeds, 0.05)
    assert 0.0275 < low < high < 0.07
    low, high = misses(seeds, 0.05 / 12)
    assert high < 1.5 * 0.05 / 12


def test_two_seeds_allow_no_claim(monkeypatch):
    monkeypatch.setattr(coverage, "POOL", 1000)
    assert coverage.coverage(Setting("none", 0.6), 2, 300, 20).allowed == 0


def test_a_range_in_percent():
    assert (span([0.942, 0.968]), span([1.0, 1.0], 0), span([])) == ("94.2 to 96.8", "100", "none")
