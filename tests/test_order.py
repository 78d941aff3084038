"""The order of tests in parallel: every worker begins with long ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import fast_disk
from tests.conftest import dealt


def item(path: str, slow: bool = False, fixtures: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(
        path=Path(path), get_closest_marker=lambda name: slow and name == "slow", fixturenames=fixtures
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 50])
def test_every_test_is_there_once_and_the_long_ones_of_a_file_stay_together(workers):
    items = [item(f"/t/e2e/test_{name}.py") for name in "aabbccdd"]
    items += [item("/t/x.py", slow) for slow in (False, True) for _ in range(20)]
    order = dealt(items, workers)
    assert sorted(map(id, order)) == sorted(map(id, items))
    for path in {each.path for each in items[:8]}:
        places = [place for place, each in enumerate(order) if each.path == path]
        assert places == list(range(places[0], places[0] + 2))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_all_that_use_the_shared_server_stay_together(workers):
    shared = [item(f"/t/e2e/{name}.py", fixtures=("shared_server",)) for name in "ace"]
    others = [item(f"/t/e2e/{name}.py") for name in "bdf"] + [item("/t/e2e/c.py")]
    order = dealt([*shared, *others], workers)
    places = [place for place, each in enumerate(order) if each.path.stem in "ace"]
    assert len(places) == len(shared) + 1
    assert places == list(range(places[0], places[0] + len(places)))


def test_every_worker_begins_with_long_ones_in_its_stretch():
    items = [item(f"/t/{number}.py") for number in range(90)] + [item(f"/t/served/{name}.py") for name in "abc"]
    order = dealt(items, 3)
    assert [each.path.parent.name for each in (order[0], order[31], order[62])] == ["served"] * 3


@pytest.mark.parametrize(
    ("arguments", "parallel"),
    [(["pytest", "-n", "auto"], True), (["pytest", "-n2"], True), (["pytest", "-n0"], False), (["pytest"], False)],
)
def test_temporary_files_are_in_memory_in_parallel_alone(arguments, parallel):
    assert fast_disk._parallel(arguments) == parallel
