"""The engine as a visitor may use it: the listed methods and nothing else, and no path of the server in what they return."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from kdcore import paths
from kdcore.errors import NotAllowed, UserError
from kdcore.recipe import Recipe
from kdcore.recipe.study import Study
from kdcore.store import Place, RunState, StudyState
from pages.parts.roles import quota

HOW = "Enter the passcode under “Watching” at the top of the page."
DOING = {  # method -> what it does, in words
    "start": "start runs", "pause": "pause runs", "unpause": "continue runs", "stop": "stop runs", "resume": "resume runs",
    "set_knob": "change a run's settings", "reset_knobs": "change a run's settings", "undo_knob": "change a run's settings",
    "fork": "fork runs", "start_study": "start studies", "stop_study": "stop studies",
    "resume_study": "continue studies", "estimate": "estimate a run's cost", "check": "check recipes on this server",
    "check_teacher": "check teachers", "delete": "delete runs and studies", "edit_label": "name, tag and archive runs",
}  # fmt: skip
PATH = re.compile(r"(?<![\w.:/~\\-])(?:(?:~[\w-]*)?/|[A-Za-z]:[\\/])(?=[\w.~@+-])[^\s'\"`,;:()<>\[\]{}|]*")

MOST_HELD = 20_000  # states of runs
Wrap = Callable[[Any], Any]


def refuse(what: str) -> NoReturn:
    """Raise NotAllowed: only the operator can do this."""
    raise NotAllowed(f"Only the operator can {what}. {HOW}")


class Watched:
    """An object of the engine with only the methods in `may`; every other one refuses.

    Args:
        parts: its attributes.
        computes: its methods use the visit's seconds of computing.
        check: gets the texts among a call's positional arguments, and raises NotAllowed.
    """

    def __init__(
        self,
        real: object,
        may: frozenset[str],
        *,
        parts: Mapping[str, object] | None = None,
        computes: bool = False,
        check: Callable[..., None] | None = None,
    ) -> None:
        self._real, self._may, self._parts, self._computes, self._check = real, may, parts or {}, computes, check

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._parts:
            return self._parts[name]
        return self._allowed(name) if name in self._may else lambda *_, **__: refuse(DOING.get(name, "do this"))

    def _allowed(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **settings: Any) -> Any:
            if self._check:
                self._check(*(each for each in arguments if isinstance(each, str)))
            method = getattr(self._real, name)
            try:
                if not self._computes:
                    return without_paths(method(*arguments, **settings))
                with quota.charged():
                    return method(*arguments, **settings)
            except UserError as error:
                raise type(error)(in_words(str(error))) from None

        return call


STORE = frozenset({
    "ids", "state", "states", "recipe", "by_recipe", "series", "version", "probe", "checkpoint", "snapshots", "csv",
    "test_predictions", "environment", "outcome", "read_all",
})  # fmt: skip
STUDIES = frozenset({"ids", "state", "states", "damaged", "csv"})
RUNNER = frozenset({"active"})
SOFT_LABELS = frozenset({
    "soft_labels", "entropy", "divergence", "by_class", "class_agreement", "over_temperatures", "decoupled", "map_divergences",
    "spot",
})  # fmt: skip
INSPECTOR = frozenset({"inspect", "affinity", "atlas", "over_time", "faithfulness", "agreement"})


@lru_cache(maxsize=4)  # so that caches which are keyed by a store find it again
def store(real: object) -> Watched:
    return Watched(real, STORE)


def studies(real: object) -> Watched:
    return Watched(real, STUDIES)


def runner(real: Any) -> Watched:
    return Watched(real, RUNNER, parts={"store": store(real.store)})


def inspector(real: object, check: Callable[..., None]) -> Watched:
    return Watched(real, INSPECTOR, computes=True, check=check)


def soft_labels(real: object) -> Watched:
    return Watched(real, SOFT_LABELS, computes=True)


def without_paths(value: Any) -> Any:
    """The same with each path of the server replaced: in texts, run states, recipes, studies, and collections of these."""
    match value:
        case str():
            return in_words(value)
        case Path():
            return Path(in_words(str(value)))
        case RunState():
            return _state(value)
        case Recipe() | Study():
            return _model(value)
        case StudyState():
            return replace(value, study=_model(value.study), places=tuple(_place(place) for place in value.places))
        case dict():
            return {key: without_paths(each) for key, each in value.items()}
        case list() | tuple() if type(value) in (list, tuple):
            return type(value)(without_paths(each) for each in value)
    return value


def in_words(text: str) -> str:
    """`/srv/kd/runs/one/recipe.yaml` -> `runs/one/recipe.yaml`; of a path elsewhere its name alone."""
    if "/" not in text and "\\" not in text:
        return text
    folders = {"runs": paths.runs_folder(), "data": paths.data_folder(), "assets": paths.ASSETS}
    for name, folder in folders.items():
        text = text.replace(f"{folder}/", f"{name}/")
        text = re.sub(rf"{re.escape(str(folder))}(?![\w-]|\.\w)", name, text)
    return PATH.sub(lambda found: re.split(r"[\\/]", found[0].rstrip("\\/"))[-1], text)


_shown: dict[str, tuple[RunState, RunState]] = {}  # run id -> its state, and what visitors see of it


def _state(run: RunState) -> RunState:
    """A run without the traceback, which is the operator's. The same object as before where the run's is."""
    known = _shown.get(run.id)
    if known and known[0] is run:
        return known[1]
    if len(_shown) >= MOST_HELD:
        _shown.clear()
    notes = tuple(note | {"text": in_words(note["text"])} for note in run.notes)
    shown = replace(
        run, traceback="", reason=in_words(run.reason), damage=in_words(run.damage), notes=notes, settings=_plain(run.settings),
        label=replace(run.label, note=in_words(run.label.note)),
    )  # fmt: skip
    _shown[run.id] = run, shown
    return shown


def _place(place: Place) -> Place:
    point = replace(place.point, variant=in_words(place.point.variant), recipe=_model(place.point.recipe))
    return replace(place, point=point, run=place.run and _state(place.run))


def _model(found: Any) -> Any:
    """A recipe or study."""
    plain = found.model_dump(mode="json")
    shown = _plain(plain)
    return found if shown == plain else type(found).model_validate(shown)


def _plain(value: Any) -> Any:
    match value:
        case str():
            return in_words(value)
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value
