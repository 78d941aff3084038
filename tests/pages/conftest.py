"""A runner that trains nothing, and runs as they would be on disk."""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.testing.v1 import AppTest, local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from kdcore import events as ev
from kdcore import recipe as recipes
from kdcore.checks import preflight
from kdcore.checks.findings import Finding, TeacherCheck
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError, TeacherRecipe, Term
from kdcore.recipe.study import Study
from kdcore.store import RunWriter, Store, Studies
from pages.parts import boundary, engine
from pages.parts.roles import role
from pages.parts.train import presets

CLASSES = ("star", "circle", "square")
SECONDS = 120.0  # for a page: the machine may be busy
Open = Callable[..., AppTest]
QUICK = """
name: quick
data: {name: cues, train_images: 4000, labels: 500}
teacher: {weights: cues-teacher}
student: {model: three_stage_cnn_16}
twin: true
terms: [{method: ce, weight: 0.1}, {method: kd, weight: 0.9}, {method: attention, weight: 0.1}]
epochs: 8
"""


def _command(name: str) -> Callable[..., None]:
    """A method that remembers its call, or refuses it."""

    def command(self: "FakeRunner", *arguments: Any) -> None:
        if self.refusal:
            raise UserError(self.refusal)
        self.told.append((name, *arguments))

    return command


class FakeRunner:
    """Remembers what it was told. `refusal` is what it answers instead."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.busy: tuple[str, ...] = ()
        self.started: list[Recipe] = []
        self.told: list[tuple[Any, ...]] = []
        self.tried = 0
        self.refusal = self.too_big = ""
        self.downloads: tuple[str, ...] = ()
        self.unasked = True  # whether a teacher is examined by itself
        self.findings: tuple[Finding, ...] = ()
        self.checked = TeacherCheck((Finding("accuracy", "ok", "95.8% right."),), {"top1": 0.958}, 300, 0.5)

    def prepare(self, recipe: Recipe) -> None: ...

    def active(self) -> tuple[str, ...]:
        return self.busy

    def start(self, recipe: Recipe, *, event_files: bool = False) -> list[str]:
        if self.refusal:
            raise RecipeError(self.refusal)
        self.started.append(recipe)
        self.event_files = event_files
        return [self.store.create(recipe) for _ in recipe.seeds]

    def fork(self, run_id: str, changes: dict[str, Any], *, step: int | None = None) -> str:
        if self.refusal:
            raise RecipeError(self.refusal)
        self.told.append(("fork", run_id, changes, step))
        child = self.store.create(recipes.with_values(self.store.recipe(run_id), changes))
        with self.store.writer(child) as writer:
            writer.append(ev.RunForked(step or 10, 1.0, run_id, {"terms.1.weight": [1.0, 0.2]}))
        return child

    def start_study(self, study: Study) -> str:
        if self.refusal:
            raise RecipeError(self.refusal)
        return Studies(self.store).create(study)

    def check_teacher(self, recipe: Recipe) -> TeacherCheck:
        counted = preflight.class_counts(recipe, self.store)
        return TeacherCheck((counted,), {}) if counted else self.checked

    def estimate(self, recipe: Recipe) -> SimpleNamespace:
        self.tried += 1
        if self.too_big:
            raise UserError(self.too_big)
        return SimpleNamespace(
            teacher_parameters=2_812_000, student_parameters=24_570, teacher_flops=370_000_000,
            student_flops=31_000_000, images=3600, steps=496, seconds=104.0, device="cpu", teacher_share=0.4,
            view_bytes=1_500_000, downloads=self.downloads, curves_seconds=4.0 * len(recipe.robustness.sets),
        )  # fmt: skip

    pause, unpause, stop, resume = map(_command, ("pause", "unpause", "stop", "resume"))
    set_knob, undo_knob, reset_knobs = map(_command, ("set_knob", "undo_knob", "reset_knobs"))
    stop_study, resume_study, close = map(_command, ("stop_study", "resume_study", "close"))


def method(
    name: str, title: str, formula: str, *, compares: str = "logits", uses_temperature: bool = False, options: Any = ()
) -> SimpleNamespace:
    """What a page reads of a method, as `kdcore.inspection.method_cards.Entry` has it."""
    card = SimpleNamespace(
        title=title, summary=f"What {title} does.", formula=formula, symbols=f"letters of {name}", paper="A paper",
        weight=0.5, temperature=3.0 if uses_temperature else None,
    )  # fmt: skip
    return SimpleNamespace(
        name=name, card=card, uses_teacher=compares != "labels", uses_temperature=uses_temperature, compares=compares,
        summed_over_classes=name == "kd", refusals={}, plugin="",
        options=tuple(SimpleNamespace(name=n, default=default, about="") for n, default in options),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _served_as_by_the_app(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Streamlit's test runner is given the app's handler of uncaught exceptions, as the server gives it to each session.

    That handler draws a sentence for any exception, so a bug would pass as a page: it fails the test that met it.
    """
    made, bugs = ScriptRunner.__init__, []

    def show(error: Exception) -> bool:
        bugs.extend([] if isinstance(error, UserError) else [error])
        return boundary.show(error)

    monkeypatch.setattr(ScriptRunner, "__init__", functools.partialmethod(made, on_script_error=show))
    yield
    if bugs and "bugs_are_meant" not in request.fixturenames:
        raise bugs[0]


@pytest.fixture
def bugs_are_meant() -> None:
    """For tests of what is shown when a page has one."""


@pytest.fixture(autouse=True)
def _operated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every visit is the operator's, as on a server that nobody else reaches; `visiting` makes it a visitor's."""
    monkeypatch.setattr(role, "is_operator", lambda: True)
    monkeypatch.setattr(role, "is_shared", lambda: False)


@pytest.fixture
def visiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every visit is a visitor's, as on a server that others reach."""
    monkeypatch.setattr(role, "is_operator", lambda: False)
    monkeypatch.setattr(role, "is_shared", lambda: True)


@pytest.fixture(scope="session", autouse=True)
def _packages_are_scanned_once() -> Iterator[None]:
    """Every run of an AppTest reads the metadata of all installed packages: nine tenths of the time of a page."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session", autouse=True)
def _the_end_of_a_script_is_waited_for() -> Iterator[None]:
    """AppTest looks a thousand times a second whether the script has ended, which interrupts it as often."""

    def wait(ran: LocalScriptRunner, timeout: float) -> None:
        assert ran._script_thread is not None
        ran._script_thread.join(timeout)
        if not ran.script_stopped():
            waited(ran, 0)  # raises its own error

    waited = local_script_runner.require_widgets_deltas
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_script_runner, "require_widgets_deltas", wait)
        yield


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """Stands for the engine; nothing here loads torch."""
    fake = FakeRunner(Store(tmp_path / "runs", recorded=tmp_path / "recorded"))
    known = [
        method("ce", "Cross-entropy", r"-\log p_{S}(y)", compares="labels", options=[("smoothing", "0.0")]),
        method("kd", "Knowledge distillation", r"\tau^2\,\mathrm{KL}", uses_temperature=True),
        method(
            "attention",
            "Attention alignment",
            r"A, \qquad A = B",
            compares="attention",
            options=[("layers", "entropy"), ("cap", "0.4")],
        ),
        method("fitnets", "Hints", "F", compares="features", options=[("pairs", "null"), ("normalise", "false")]),
    ]
    monkeypatch.setattr(engine.process, "process_runner", lambda: fake)
    monkeypatch.setattr(engine, "teacher_check_is_quick", lambda recipe: fake.unasked)
    monkeypatch.setattr(engine, "findings", lambda recipe: fake.findings)
    monkeypatch.setattr(engine, "methods", lambda: {each.name: each for each in known})
    monkeypatch.setattr(engine, "bundled", lambda: {"cues-teacher": {}})
    monkeypatch.setattr(engine, "student_names", lambda: ("three_stage_cnn", "three_stage_cnn_16"))
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "quick.yaml").write_text(QUICK)  # what it is today is not what these tests are about
    monkeypatch.setattr(presets, "ASSETS", tmp_path)
    return fake


@pytest.fixture
def open_page(runner: FakeRunner) -> Open:
    """Open a page by its file's name in the frame that `app.py` serves, as a first visit to its address."""

    def open_it(name: str, **address: str | list[str]) -> AppTest:
        test = AppTest.from_file(str(PROJECT / "pages" / "parts" / "shell.py"), default_timeout=SECONDS)
        test.switch_page(str(PROJECT / "pages" / name))
        for key, value in address.items():
            test.query_params[key] = value
        return test.run()

    return open_it


@pytest.fixture
def writers() -> dict[str, RunWriter]:
    """Those of the runs of `make_run` that are alive."""
    return {}


@pytest.fixture
def make_run(runner: FakeRunner, writers: dict[str, RunWriter], request: pytest.FixtureRequest) -> Callable[..., str]:
    """Make a run of two epochs with curves and maps, in any state. Returns its id."""

    def make(
        status: str = "finished", *, name: str = "quick", difference: tuple[float, float, float] | None = (0.2, 0.15, 0.25),
        labels: int = 500, knobs: dict[str, float] | None = None, seed: int = 0,
    ) -> str:  # fmt: skip
        recipe = Recipe(
            name=name, data=DataRecipe(labels=labels), student=ModelRecipe(model="tiny"), twin=difference is not None,
            teacher=TeacherRecipe(weights="cues-teacher"), terms=(Term(method="ce", weight=0.1), Term(method="kd")), epochs=2,
            seeds=(seed,),
        )  # fmt: skip
        run_id = runner.store.create(recipe)
        writer = RunWriter(runner.store.folder(run_id))
        writer.__enter__()
        if status in ("queued", "preparing", "running", "paused"):
            writers[run_id] = writer
            request.addfinalizer(lambda: writer.__exit__())  # alive until the test is over
        for event in happened(status, difference, labels, knobs or {}):
            writer.append(event)
        if status not in ("queued", "preparing", "running", "paused"):
            writer.__exit__()
        return run_id

    return make


def happened(
    status: str, difference: tuple[float, float, float] | None, labels: int, knobs: dict[str, float]
) -> list[ev.Event]:
    events: list[ev.Event] = [ev.Queued()]
    if status == "queued":
        return events
    events.append(ev.Noted("Drawing 4,000 images."))
    if status == "preparing":
        return events
    events.append(
        ev.RunStarted(
            step=0,
            steps=20,
            epochs=2,
            device="CPU, 2 threads",
            precision="fp32",
            classes=CLASSES,
            train_images=3600,
            labelled_images=labels,
            parameters={"student": 24_570, "teacher": 2_800_000},
            teacher={"top1": 0.9},
        )
    )
    maps, says = np.full((3, 4, 4), 1 / 16, np.float16), np.full((3, 3), 1 / 3, np.float16)
    for step in range(21 if status == "finished" else 11):
        if step % 10 == 0:
            arrays: dict[str, Any] = {}
            for network in ("teacher", "student", *(("twin",) if difference else ())):
                arrays |= {network: maps, f"{network}_probabilities": says}
            if step == 0:
                arrays |= {"images": np.zeros((3, 8, 8, 3), np.uint8), "targets": np.arange(3)}
            events.append(ev.ProbeTaken(step, step / 10, 0.1, arrays=arrays))
            events.append(
                ev.Evaluated(step, step / 10, "validation", {"student": {"top1": 0.5}, "twin": {"top1": 0.3}})
            )
        else:
            events.append(stepped(step))
    events += [ev.KnobTurned(10, knob, factor) for knob, factor in knobs.items()]
    return events + ended(status, difference)


def stepped(step: int, loss: float = 1.0) -> ev.StepEnded:
    return ev.StepEnded(
        step=step, epoch=step / 10, losses={"student": {"ce": 2.0, "kd": 1.0, "total": loss}, "twin": {"ce": 2.0, "total": 2.0}},
        shares={"ce": 0.1, "kd": 0.9}, weights={"ce": 0.1, "kd": 1.0}, temperatures={"kd": 4.0}, learning_rate=1e-3,
        images_per_second=271.4, train_top1={"student": 0.5, "twin": math.nan},
    )  # fmt: skip


def ended(status: str, difference: tuple[float, float, float] | None) -> list[ev.Event]:
    match status:
        case "finished":
            figures = {"low": 0.58, "high": 0.66, "correct": 620.0, "count": 1000.0}
            results = {"student": {"top1": 0.62, **figures}, "teacher": {"top1": 0.958, **figures}}
            if difference:
                results["twin"] = {"top1": 0.42, **figures}
                results["student"]["nll"] = difference[0]  # so that two seeds are not alike
                counts = {"only_student": 300, "only_twin": 300 - round(1000 * difference[0])}
                results["difference"] = dict(zip(("top1", "low", "high"), difference, strict=True)) | counts
            return [ev.RunFinished(20, results, 100.0)]
        case "stopped":
            return [ev.RunStopped(10, "Stopped by hand.")]
        case "failed":
            return [
                ev.Noted("The teacher's weights are random.", "warning"),
                ev.RunFailed("The loss is not finite at step 10.", "Traceback: FloatingPointError"),
            ]
        case "paused":
            return [ev.RunPaused(10)]
    return []
