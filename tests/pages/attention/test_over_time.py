"""How it learned to see: the section of the Attention page, and what it sends to the browser."""

from typing import Any

import numpy as np
import pytest

from kdcore import events as ev
from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.inspection import Course, OverTime
from kdcore.store import Store
from pages.parts import engine
from pages.parts.attention import networks
from pages.parts.attention.over_time import PINNED, frames
from pages.parts.components.replay import replay

from ..test_attention import ANIMALS, BUNDLED, HIRES_CAM, FakeInspector, choice, inspector, opened, ran  # noqa: F401 (a fixture)

LABEL = "Over the epochs"


def over_time(moments: int = 3) -> OverTime:
    """The student comes from frog to cat, which the teacher predicts from the start."""
    heat = np.full((moments, 4, 4), 1 / 16, np.float32)
    towards = np.linspace(0, 1, moments)[:, None]
    student = (1 - towards) * [0.1, 0.2, 0.7] + towards * [0.8, 0.1, 0.1]
    return OverTime(
        np.zeros((16, 16, 3), np.uint8),
        list(range(moments)),
        [float(i) for i in range(moments)],
        {
            "teacher": Course("hires_cam", heat[:1], np.array([[0.9, 0.1, 0.0]]), ANIMALS),
            "student": Course("hires_cam", heat, student, ANIMALS),
        },
    )


def a_run(kept: bool, probed: bool) -> str:
    """A run in the page's store."""
    store: Store = engine.store()
    run_id = store.create(
        recipes.from_plain({"name": "mine", "student": {"model": "three_stage_cnn_16"}, "terms": [{"method": "ce"}]})
    )
    maps = {"images": np.zeros((1, 8, 8, 3), np.uint8), "targets": np.zeros(1, int), "student": np.full((1, 4, 4), 1 / 16),
            "student_probabilities": np.full((1, 3), 1 / 3)}  # fmt: skip
    with store.writer(run_id) as writer:
        writer.append(ev.RunStarted(
            step=0, steps=80, epochs=2, resumed=False, device="cpu", precision="float32", classes=ANIMALS, train_images=1, labelled_images=1,
            parameters={}, teacher={},
        ))  # fmt: skip
        for step in (0, 80) if probed else ():
            writer.append(ev.ProbeTaken(step, step / 40, 0.1, arrays=maps))
        writer.append(ev.RunFinished(80, {}, 1.0))
        if kept:
            writer.snapshot_path(0).write_bytes(b"")
    return run_id


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What goes to the browser."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(replay, "draw", lambda data, key: found.append((key, data)))
    return found


def test_without_any_history_it_says_how_to_get_one(inspector: FakeInspector):  # noqa: F811
    at = opened(deeper=LABEL)
    assert "No run has snapshots yet. Train one" in at.info[0].value


def test_bundled_networks_have_no_history_so_a_run_is_chosen(inspector: FakeInspector, sent, monkeypatch):  # noqa: F811
    run_id = a_run(kept=True, probed=True)
    found: list[Any] = []
    inspector.over_time = lambda pixels, run, requests: found.append((run, requests)) or over_time()  # type: ignore[attr-defined]
    networks_of_it = [*BUNDLED, *(choice(f"run:{run_id}/{role}") for role in ("teacher", "student"))]
    monkeypatch.setattr(networks, "choices", lambda: networks_of_it)
    at = opened(deeper=LABEL)
    assert any("have no training history" in caption.value for caption in at.caption)
    assert found == [(run_id, {"teacher": HIRES_CAM, "student": HIRES_CAM})]
    assert [key for key, _ in sent] == ["attention_time"]
    at.segmented_control(key="time-of").set_value(PINNED)
    ran(at)
    assert sent[-1][0] == "replay"


def test_a_run_without_snapshots_shows_its_pinned_images_and_why(inspector: FakeInspector, sent):  # noqa: F811
    a_run(kept=False, probed=True)
    at = opened(deeper=LABEL)
    (text,) = [info.value for info in at.info if "snapshots" in info.value]
    assert "Run 'mine' has no snapshots of its networks (it is of an earlier version)" in text
    assert "Train its recipe again" in text
    assert [key for key, _ in sent] == ["replay"]


def test_a_run_without_a_checkpoint_says_so(inspector: FakeInspector, sent):  # noqa: F811
    a_run(kept=True, probed=False)  # its first snapshot is there before its first checkpoint
    at = opened(deeper=LABEL)
    assert not at.exception
    assert "Run 'mine' has no checkpoint that can be loaded" in at.info[-1].value
    assert "saves its first one after a while" in at.info[-1].value
    assert not sent


def test_a_refusal_of_the_engine_is_shown(inspector: FakeInspector, sent, monkeypatch):  # noqa: F811
    run_id = a_run(kept=True, probed=False)
    monkeypatch.setattr(networks, "choices", lambda: [*BUNDLED, choice(f"run:{run_id}/student")])

    def refuse(*_: Any) -> OverTime:
        raise UserError("its weights are damaged.")

    inspector.over_time = refuse  # type: ignore[attr-defined]
    at = opened(deeper=LABEL)
    assert at.warning[-1].value == "its weights are damaged."
    assert not sent


def test_frames_follow_the_true_class_and_name_every_prediction():
    data = frames(over_time(), "cat.png", "cat")
    assert data["curves_title"] == "Probability of “cat”, the true class"
    assert (data["classes"], data["targets"], data["epochs"]) == (["cat", "frog"], [0], [0.0, 1.0, 2.0])
    teacher, student = data["networks"]
    assert (teacher["frames"], student["frames"]) == (1, 3)
    # from frog 70 % over cat 45 % to cat 80 %
    assert student["answers"] == [1, 0, 0]
    assert student["sure"] == [70, 45, 80]
    assert [(curve["name"], curve["points"], curve.get("level")) for curve in data["curves"]] == [
        ("student", [[0.0, 0.1], [1.0, 0.45], [2.0, 0.8]], None),
        ("teacher", [], 0.9),
    ]


def test_without_a_true_class_the_teachers_prediction_is_followed():
    data = frames(over_time(), "holiday.png", "")
    assert data["curves_title"] == "Probability of “cat”, the teacher’s prediction"
    assert data["targets"] == [-1]


def test_a_compared_run_gets_the_requests_of_the_comparison(inspector: FakeInspector, sent, monkeypatch):  # noqa: F811
    a_run(kept=True, probed=False)  # a newer or older one is not offered
    run_id = a_run(kept=True, probed=False)
    found: list[Any] = []
    inspector.over_time = lambda pixels, run, requests: found.append((run, requests)) or over_time()  # type: ignore[attr-defined]
    monkeypatch.setattr(
        networks, "choices", lambda: [choice(f"run:{run_id}/{role}") for role in ("teacher", "student")]
    )
    at = opened(deeper=LABEL, networks=f"Run {run_id}", **{"class": "dog"})
    assert not [box for box in at.selectbox if box.label == "Run"]
    request = {**HIRES_CAM, "target": "dog"}
    assert found == [(run_id, {"teacher": request, "student": request})]
