from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from kdcore import events as ev
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, RecipeError
from kdcore.store import RunState, Store
from pages.parts import engine, page_table
from pages.parts.runs import moments

SHELL = str(Path(page_table.PAGES) / "parts" / "shell.py")
CLASSES = ("star", "circle", "square")


class FakeRunner:
    """A runner that starts nothing and remembers its calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.busy: tuple[str, ...] = ()
        self.started: list[Recipe] = []
        self.refusal = ""

    def active(self) -> tuple[str, ...]:
        return self.busy

    def start(self, recipe: Recipe) -> list[str]:
        if self.refusal:
            raise RecipeError(self.refusal)
        self.started.append(recipe)
        return [self.store.create(recipe)]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    fake = FakeRunner(Store(tmp_path / "runs", recorded=tmp_path / "recorded"))
    monkeypatch.setattr(engine.process, "process_runner", lambda: fake)
    blank = tmp_path / "train.py"  # where the button leads; the real page is tested on its own
    blank.touch()
    monkeypatch.setattr(page_table, "TRAIN", str(blank))
    return fake


def record(folder: Path, *, difference: tuple[float, float, float] = (0.4, 0.35, 0.45), probes: int = 3) -> str:
    """A finished run of two epochs with pinned images and their maps."""
    recipe = Recipe(name="quick", data=DataRecipe(labels=500), student=ModelRecipe(model="tiny"), twin=True, epochs=2)
    store, maps = Store(folder), np.full((2, 4, 4), 1 / 16, np.float16)
    run_id = store.create(recipe)
    top1, low, high = difference
    with store.writer(run_id) as writer:
        writer.append(
            ev.RunStarted(
                step=0,
                steps=20,
                epochs=2,
                device="cpu",
                precision="fp32",
                classes=CLASSES,
                train_images=4000,
                labelled_images=500,
                parameters={},
                teacher={"top1": 0.9},
            )
        )
        for step in np.linspace(0, 20, probes).astype(int).tolist():
            writer.append(
                ev.Evaluated(step, step / 10, "validation", {"student": {"top1": 0.5}, "twin": {"top1": 0.3}})
            )
            arrays = {"images": np.zeros((2, 8, 8, 3), np.uint8), "targets": np.array([0, 2])} if step == 0 else {}
            for name in ("teacher", "student", "twin"):
                shift = 0 if name == "teacher" else step / 200
                arrays[name] = maps + np.linspace(0, shift, 16, dtype=np.float16).reshape(4, 4)
                arrays[f"{name}_probabilities"] = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], np.float16)
            writer.append(ev.ProbeTaken(step, step / 10, 0.1, arrays=arrays))
        reached = {"top1": 0.7, "low": 0.68, "high": 0.72, "count": 2000}
        more = round(2000 * top1)
        counts = {"only_student": 1000 + min(0, more), "only_twin": 1000 - max(0, more)}
        difference = {"top1": top1, "low": low, "high": high, **counts}
        writer.append(
            ev.RunFinished(
                20, {"student": reached, "twin": reached | {"top1": 0.7 - top1}, "difference": difference}, 100.0
            )
        )
    return run_id


def opened() -> AppTest:
    at = AppTest.from_file(SHELL, default_timeout=120).run()
    assert not at.exception
    return at


def first_button(at: AppTest) -> Button:
    """The one that the page leads to; the tour's is beside the title."""
    return next(button for button in at.button if button.key != "walk-begin")


def text_of(at: AppTest) -> str:
    return "\n".join(element.value for element in [*at.markdown, *at.caption, *at.info, *at.error])


def test_without_a_recording_it_says_so_and_still_offers_to_train(runner: FakeRunner) -> None:
    at = opened()
    assert "No recorded run" in at.info[0].value
    assert first_button(at).label == "Train it here"


def test_the_recording_shows_its_result_with_the_interval_and_the_setting(runner: FakeRunner) -> None:
    record(runner.store.recorded)
    at = opened()
    assert not at.info
    assert "+40.0 percentage points (95 % interval +37.1 to +42.9): the student is better than its twin." in text_of(at)
    assert "One run: the student classifies 70.0 % of 2,000 test images correctly, its twin 30.0 %." in text_of(at)
    assert "500 of 4,000 training images are labelled" in text_of(at)


@pytest.mark.parametrize(
    "difference, words",
    [((0.01, -0.01, 0.03), "no difference shown"), ((-0.05, -0.08, -0.02), "the student is worse than its twin")],
)
def test_the_sentence_claims_no_more_than_the_interval(
    runner: FakeRunner, difference: tuple[float, float, float], words: str
) -> None:
    record(runner.store.recorded, difference=difference)
    assert words in text_of(opened())


def test_one_button_starts_the_quick_recipe_and_goes_to_the_run(runner: FakeRunner) -> None:
    at = opened()
    first_button(at).click().run()
    assert not at.exception
    assert [recipe.name for recipe in runner.started] == ["quick"]
    assert at.query_params["run"] == runner.store.ids()[0]


def test_a_busy_runner_is_said_and_its_run_linked(runner: FakeRunner) -> None:
    run_id = record(runner.store.root)
    runner.busy = (run_id,)
    at = opened()
    assert "A run is in progress" in text_of(at)
    first_button(at).click().run()
    assert not runner.started
    assert at.query_params["run"] == run_id


def test_a_refused_recipe_is_a_message_and_no_traceback(runner: FakeRunner) -> None:
    runner.refusal = "There is no model 'cues-teacher'."
    at = opened()
    first_button(at).click().run()
    assert not at.exception
    assert at.error[0].value == "There is no model 'cues-teacher'."


def test_a_run_without_probes_cannot_replay() -> None:
    assert not moments.can_replay(RunState(id="a", name="a", steps=10, settings={"terms": []}))


def test_a_run_without_a_readable_recipe_cannot_replay() -> None:
    probes = [{"step": 0}, {"step": 1}]
    assert not moments.can_replay(RunState(id="a", name="a", steps=10, probes=probes))
    assert moments.can_replay(RunState(id="a", name="a", steps=10, probes=probes, settings={"terms": []}))


def test_what_never_changes_is_sent_once(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    data = moments.of_run(Store(tmp_path), run_id, 1, "finished")
    frames = {network["name"]: network["frames"] for network in data["networks"]}
    assert frames == {"teacher": 1, "student": 3, "twin": 3}
    assert data["epochs"] == [0, 1, 2]
    assert [curve["name"] for curve in data["curves"]] == ["student", "twin", "teacher"]
