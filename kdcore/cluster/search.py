"""Search: Optuna chooses the settings of each trial from the validation accuracy of those before it; test images decide nothing.

A trial is a variant of a study, with a run for each seed, so that pages and commands show a search like any study. Its value is
the student's accuracy on the validation images, mean over the seeds. Trials whose accuracy is below the median of the others at
the same point of training are stopped early. The log of Optuna is a file beside the study, from which a search continues.

Akiba et al., KDD 2019, https://arxiv.org/abs/1907.10902; TPE: Bergstra et al., NeurIPS 2011.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from kdcore.cluster import optional
from kdcore.errors import UserError
from kdcore.recipe import study as studies
from kdcore.recipe.study import Study
from kdcore.recipe.trials import Range, rounded
from kdcore.runner.studies import Runs
from kdcore.store import Place, Studies

STARTUP = 5  # trials at random before the first that is chosen, and before the first that is stopped early
WARM_UP = 20  # percent of a run before it may be stopped early
SCALE = 100  # percent: the points of a run at which trials are compared
PAUSE = 0.3  # seconds between two looks at the runs


@dataclass(eq=False)
class _Trial:
    """A trial in progress.

    handle: Optuna's; reported: the points of its runs that Optuna has; begun: runs that were queued here.
    """

    handle: Any
    label: str
    settings: dict[str, Any]
    reported: set[int] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    stopping: bool = False


def start(runs: Runs, study: Study) -> str:
    """Store a search, with its first trial; returns the study's id. `proceed` runs it.

    Raises:
        UserError: Optuna is missing, or there are no validation images.
    """
    optional.load("optuna", "A search")
    study = studies.resolved(study)
    if not studies.recipe_of(study).data.validation:
        raise UserError(
            "A search chooses by the accuracy on validation images, and `data.validation` is 0: set it to 0.1, for example "
            "(--set data.validation=0.1)."
        )
    known = Studies(runs.store)
    study_id = known.new_id(study)
    first = _Log(study, known.search_log(study_id)).ask()
    return known.create(study.model_copy(update={"variants": {first.label: first.settings}}), study_id)


def proceed(runs: Runs, study_id: str, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Run a search to its end: trials that were interrupted first, then new ones. Blocks.

    Args:
        meanwhile: called every moment; may raise, which leaves the runs as they are, to be continued.
    """
    known = Studies(runs.store)
    state = known.state(study_id)
    if not state.searching:
        return
    search = _Search(runs, known, study_id, _Log(state.study, known.search_log(study_id)))
    while not search.advance():
        meanwhile()
        time.sleep(PAUSE)
    known.end_search(study_id)


class _Search:
    """The trials of a search as they go on."""

    def __init__(self, runs: Runs, known: Studies, study_id: str, log: "_Log") -> None:
        self.runs, self.known, self.study_id, self.log = runs, known, study_id, log
        self.trials = log.unfinished()

    def advance(self) -> bool:
        """Begin what may begin, and note what has ended. True where nothing is left to do."""
        while len(self.trials) < self.runs.at_once and self.log.count < self.log.most:
            self.trials.append(self.log.ask())
        working = self.runs.active()  # before their states: whatever has ended has its result in them
        state = self.known.state(self.study_id)
        for trial in self.trials:
            if trial.label not in state.study.variants:
                self.known.extend(self.study_id, trial.label, trial.settings)
        variants = self.known.state(self.study_id).variants()
        self.trials = [trial for trial in self.trials if not self._ended(trial, variants[trial.label], working)]
        return not self.trials and self.log.count >= self.log.most

    def _ended(self, trial: _Trial, places: list[Place], working: tuple[str, ...]) -> bool:
        """Take a trial further: its seeds run one after another. True where it has ended."""
        for number, place in enumerate(places):
            if place.run_id in working:
                self._watch(trial, number, place)
                return False
            if place.done:
                continue
            if place.pruned or trial.stopping:
                self.known.prune(self.study_id, [each.run_id for each in places if not each.done])
                self.log.pruned(trial)
                return True
            if place.run_id in trial.begun:  # it has failed
                self.log.failed(trial)
                return True
            trial.begun.add(place.run_id)
            self.runs.begin(place.run_id, place.point.recipe)
            return False
        self.log.finished(trial, fmean(_accuracy(place) for place in places))
        return True

    def _watch(self, trial: _Trial, number: int, place: Place) -> None:
        """Report a run's accuracies on the validation images, and stop it where Optuna's pruner decides so."""
        if not (run := place.run) or not run.steps or trial.stopping:
            return
        for step, value in zip(*self.runs.store.series(run.id).get("top1/student", ((), ())), strict=True):
            point = SCALE * number + round(SCALE * int(step) / run.steps)
            if point in trial.reported:
                continue
            trial.reported.add(point)
            trial.handle.report(float(value), point)
            if trial.handle.should_prune():
                trial.stopping = True
                self.runs.stop(
                    run.id,
                    f"Stopped early by the search: its validation accuracy, {100 * value:.1f} % after {run.epochs * step / run.steps:.3g} "
                    "epochs, is below the median of the other trials at this point.",
                )
                return


def _accuracy(place: Place) -> float:
    """A finished run's accuracy on the validation images, at its end."""
    assert place.run is not None
    return place.run.latest["student"]["top1"]


class _Log:
    """The trials of a search in Optuna's log, a file from which it continues."""

    def __init__(self, study: Study, path: Path) -> None:
        optuna = optional.load("optuna", "A search")
        assert study.trials is not None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        pruner = optuna.pruners.MedianPruner(STARTUP, WARM_UP) if study.trials.prune else optuna.pruners.NopPruner()
        self._optuna, self._vary, self._recipe = optuna, study.vary, studies.recipe_of(study)
        self._trials = optuna.create_study(
            storage=storage, study_name="search", direction="maximize", load_if_exists=True, pruner=pruner
        )
        # another seed after each interruption, else the same draws would come again
        seed = (study.trials.seed + self.count) % 2**32
        self._trials.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)
        self.most = study.trials.count

    @property
    def count(self) -> int:
        """The number of trials so far, those in progress included."""
        return len(self._trials.get_trials(deepcopy=False))

    def ask(self) -> _Trial:
        """A new trial."""
        space = {key: self._distribution(values) for key, values in self._vary.items()}
        return self._of(self._trials.ask(space))

    def unfinished(self) -> list[_Trial]:
        """The trials that were in progress when the search was interrupted."""
        running = self._trials.get_trials(states=[self._optuna.trial.TrialState.RUNNING])
        found = []
        for frozen in running:
            trial = self._of(self._optuna.trial.Trial(self._trials, frozen._trial_id))
            trial.reported.update(frozen.intermediate_values)
            found.append(trial)
        return found

    def finished(self, trial: _Trial, value: float) -> None:
        self._trials.tell(trial.handle, value)

    def pruned(self, trial: _Trial) -> None:
        self._trials.tell(trial.handle, state=self._optuna.trial.TrialState.PRUNED)

    def failed(self, trial: _Trial) -> None:
        self._trials.tell(trial.handle, state=self._optuna.trial.TrialState.FAIL)

    def _of(self, handle: Any) -> _Trial:
        """A trial with its settings: those that it has from Optuna, rounded, and list values by their place."""
        settings = {}
        for key, values in self._vary.items():
            value = handle.params[key]
            if isinstance(values, Range):
                settings[key] = value if values.whole else rounded(value)
            else:
                settings[key] = values[_words(values).index(value)]
        return _Trial(handle, studies.labelled(settings, self._recipe), settings)

    def _distribution(self, values: Any) -> Any:
        kinds = self._optuna.distributions
        if not isinstance(values, Range):
            return kinds.CategoricalDistribution(_words(values))
        kind = kinds.IntDistribution if values.whole else kinds.FloatDistribution
        return kind(values.low, values.high, log=values.log)


def _words(values: tuple[Any, ...]) -> list[str]:
    return list(map(studies.in_words, values))
