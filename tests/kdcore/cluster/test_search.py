"""A search with runs that are made up: what Optuna is told, what is stopped early, and how it continues."""

import itertools

import pytest

from kdcore import events as ev
from kdcore.cluster import search
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.store import Store, Studies

pytest.importorskip("optuna", reason="optuna is missing (requirements-cluster.txt)")

EPOCHS = 4


class MadeUp:
    """Runs that train an epoch whenever one looks; `gains` gives a recipe's accuracy at the end."""

    def __init__(self, store: Store, gains, *, at_once: int = 1, test: float = 0.5) -> None:
        self.store, self.gains, self.at_once, self.test = store, gains, at_once, test
        self._active: dict[str, tuple] = {}
        self.begun: list[str] = []
        self.reasons: list[str] = []

    def begin(self, run_id, recipe):
        assert len(self._active) < self.at_once
        self.begun.append(run_id)
        self.store.create(recipe, run_id)
        writer = self.store.writer(run_id).__enter__()
        writer.append(ev.RunStarted(0, EPOCHS, EPOCHS, "cpu", "exact", ("a", "b"), 10, 10, {"student": 1}))
        self._active[run_id] = (writer, self._epochs(writer, self.gains(recipe)))

    def _epochs(self, writer, gain):
        for epoch in range(1, EPOCHS + 1):
            metrics = {"student": {"top1": gain * epoch / EPOCHS}}
            writer.append(ev.Evaluated(epoch, float(epoch), "validation", metrics))
            yield
        if gain < 0:
            writer.append(ev.RunFailed("a loss is no number"))
        else:
            result = {"top1": self.test, "low": 0.0, "high": 1.0, "count": 100}
            writer.append(ev.RunFinished(EPOCHS, {"student": result}, 1.0))

    def active(self):
        for run_id, (writer, epochs) in list(self._active.items()):
            if next(epochs, "ended") == "ended":
                writer.__exit__()
                del self._active[run_id]
        return tuple(self._active)

    def stop(self, run_id, reason="Stopped by a user."):
        writer, _ = self._active.pop(run_id)
        writer.append(ev.RunStopped(1, reason))
        writer.__exit__()
        self.reasons.append(reason)


def plan(count: int = 8, seeds=(0,), **settings):
    plain = {
        "name": "search",
        "recipe": {"student": {"model": "three_stage_cnn_16"}, "terms": [{"method": "ce"}], "epochs": EPOCHS},
        "vary": {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "data.batch_size": [32, 64]},
        "trials": {"count": count, "by": "tpe", **settings},
        "seeds": list(seeds),
    }
    return studies.from_plain(plain)


def gains(recipe) -> float:
    """Best at a rate of 0.01."""
    import math

    return 0.9 - 0.2 * abs(math.log10(recipe.optimizer.lr) + 2)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(search, "PAUSE", 0)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_search_is_a_study_that_ends_with_its_trials_and_names_the_best_by_validation(store):
    runs = MadeUp(store, gains)
    study_id = search.start(runs, plan(12))
    state = Studies(store).state(study_id)
    assert (state.status, state.total, len(state.places)) == ("interrupted", 12, 1)
    search.proceed(runs, study_id)
    state = Studies(store).state(study_id)
    assert (state.status, len(state.places), state.done + state.pruned) == ("finished", 12, 12)
    (label,), accuracy = state.best
    settings = state.study.variants[label]
    assert 0.002 < settings["optimizer.lr"] < 0.05
    assert accuracy == pytest.approx(max(gains(place.point.recipe) for place in state.places if place.done))
    search.proceed(runs, study_id)  # nothing is left to do
    assert len(runs.begun) == 12


def test_trials_below_the_median_are_stopped_early_and_count_as_ended(store):
    order = itertools.chain([0.9] * 6, itertools.repeat(0.1))
    runs = MadeUp(store, lambda recipe: next(order))
    study_id = search.start(runs, plan(9))
    search.proceed(runs, study_id)
    state = Studies(store).state(study_id)
    assert (state.done, state.pruned, state.status) == (6, 3, "finished")
    reason = "Stopped early by the search: its validation accuracy, 2.5 % after 1 epochs, is below the median of the other trials"
    assert runs.reasons[0].startswith(reason)
    assert {place.run.status for place in state.places if place.pruned} == {"stopped"}


def test_without_pruning_all_trials_run_to_their_end(store):
    order = itertools.chain([0.9] * 6, itertools.repeat(0.1))
    runs = MadeUp(store, lambda recipe: next(order))
    study_id = search.start(runs, plan(8, prune=False))
    search.proceed(runs, study_id)
    assert Studies(store).state(study_id).done == 8


def test_test_images_decide_nothing(store, tmp_path):
    """The same trials whatever the accuracy on test images is."""
    chosen = []
    for test in (0.1, 0.9):
        runs = MadeUp(Store(tmp_path / str(test)), gains, test=test)
        study_id = search.start(runs, plan())
        search.proceed(runs, study_id)
        chosen.append(list(Studies(runs.store).state(study_id).study.variants))
    assert chosen[0] == chosen[1]


def test_the_value_of_a_trial_is_the_mean_over_its_seeds(store):
    runs = MadeUp(store, lambda recipe: 0.5 + 0.1 * recipe.seeds[0])
    study_id = search.start(runs, plan(2, seeds=(0, 1, 2)))
    search.proceed(runs, study_id)
    state = Studies(store).state(study_id)
    assert (state.done, state.total) == (6, 6)
    assert state.best[1] == pytest.approx(0.6)
    log = search._Log(state.study, Studies(store).search_log(study_id))
    assert [trial.value for trial in log._trials.trials] == pytest.approx([0.6, 0.6])


def test_an_interrupted_search_continues_with_the_trials_that_it_was_in(store):
    runs = MadeUp(store, gains, at_once=2)
    study_id = search.start(runs, plan(6))
    looks = iter(range(7))
    with pytest.raises(StopIteration):
        search.proceed(runs, study_id, meanwhile=lambda: next(looks))
    before = Studies(store).state(study_id)
    assert before.status == "running"
    for run_id in runs.active():
        runs.stop(run_id)
    again = MadeUp(store, gains, at_once=2)
    left = [place.run_id for place in Studies(store).state(study_id).places if not place.done]
    search.proceed(again, study_id)
    after = Studies(store).state(study_id)
    assert again.begun[: len(left)] == left
    assert len(after.places) == 6
    assert list(after.study.variants)[: len(before.study.variants)] == list(before.study.variants)


def test_a_run_that_fails_ends_its_trial_and_not_the_search(store):
    order = itertools.chain([-1.0], itertools.repeat(0.5))
    runs = MadeUp(store, lambda recipe: next(order))
    study_id = search.start(runs, plan(3))
    search.proceed(runs, study_id)
    state = Studies(store).state(study_id)
    assert (state.done, state.status) == (2, "failed")


def test_without_validation_images_there_is_nothing_to_choose_by(store):
    without = studies.resolved(plan(), ["data.validation=0"])
    with pytest.raises(UserError, match=r"`data.validation` is 0: set it to 0.1"):
        search.start(MadeUp(store, gains), without)
    assert Studies(store).ids() == []
