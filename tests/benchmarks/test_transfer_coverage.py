import numpy as np
import pytest

from benchmarks import transfer_coverage
from benchmarks.transfer_coverage import SETTINGS, drawn


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_simulated_networks_have_the_accuracies_of_their_setting(setting):
    random = np.random.default_rng(0)
    student, twin, teacher = np.mean([[each.mean() for each in drawn(random, setting, 3)] for _ in range(60)], axis=0)
    assert teacher - twin == pytest.approx(setting.gap, abs=0.03)
    assert student - twin == pytest.approx(setting.way * setting.gap, abs=0.03)


def test_an_interval_that_is_too_narrow_is_seen(monkeypatch):
    fieller, setting = transfer_coverage.fieller, SETTINGS[0]
    _, usual, _ = transfer_coverage.coverage(setting, 3, 25)
    monkeypatch.setattr(transfer_coverage, "fieller", lambda *values: fieller(*values, alpha=0.8))
    _, narrow, _ = transfer_coverage.coverage(setting, 3, 25)
    assert usual > 0.8 > 0.5 > narrow
