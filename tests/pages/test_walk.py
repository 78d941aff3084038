"""The guided walk on Start, for a visitor, with the networks that come with the project."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdcore.inspection.robustness import Live
from kdcore.inspection.soft_labels import NetworkOutputs
from kdcore.paths import ASSETS
from kdcore.store import Store
from pages.parts import engine, page_table
from pages.parts.attention import networks
from pages.parts.start import steps, walk
from tests.pages.conftest import SECONDS


@pytest.fixture(autouse=True)
def bundled(tmp_path: Path, monkeypatch, visiting) -> None:
    found = SimpleNamespace(store=Store(tmp_path / "runs", recorded=ASSETS / "runs"), active=lambda: ())
    monkeypatch.setattr(engine.process, "process_runner", lambda: found)


def opened(**address: str) -> AppTest:
    at = AppTest.from_file(str(page_table.PAGES / "parts" / "shell.py"), default_timeout=SECONDS)
    for name, value in address.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    assert [each.value for each in at.error] == []
    return at


def text_of(at: AppTest) -> str:
    return "\n".join(each.value for each in (*at.title, *at.markdown, *at.caption, *at.info))


def test_the_walk_begins_with_one_button_and_each_step_leads_to_the_next(monkeypatch):
    monkeypatch.setattr(walk, "STEPS", tuple(walk.Step(each.title, each.lead_on, lambda: None) for each in walk.STEPS))
    at = opened()
    at.button(key="walk-begin").click().run()
    for number, step in enumerate(walk.STEPS, 1):
        assert at.query_params["walk"] == str(number)
        assert at.title[0].value == step.title
        assert f"Step {number} of 5" in text_of(at)
        if number < 5:
            at.button(key="walk-next").click().run()
    at.button(key="walk-back").click().run()
    assert at.query_params["walk"] == "4"
    at.button(key="walk-leave").click().run()
    assert "walk" not in at.query_params
    assert at.title[0].value == "Distillation Explorer"


@pytest.mark.parametrize("step", ["0", "6", "-1", "two", "²", "1" * 50])
def test_a_step_that_does_not_exist_is_the_start(step):
    assert opened(walk=step).title[0].value == "Distillation Explorer"


def test_after_a_guess_the_twins_prediction_is_named():
    at = opened(walk="1")
    assert "the twin sees **" not in text_of(at)
    options = at.pills(key="guess").options
    assert len(options) == steps.OFFERED
    at.pills(key="guess").set_value(options[0]).run()
    assert "the twin sees" in text_of(at)


def test_the_temperature_shows_what_the_teacher_finds_similar():
    sharp, warm = text_of(opened(walk="2")), text_of(opened(walk="2", turned="8"))
    assert "dark knowledge" in sharp
    assert sharp != warm


def test_the_tip_is_covered_by_the_address():
    at = opened(walk="3", poke="cover20")
    assert at.query_params["poke"] == "cover20"
    assert "--hide-pokes: none" in "".join(each.proto.body for each in at.get("html"))


def test_a_test_set_is_measured_when_it_is_chosen(monkeypatch):
    def accuracy_now(references, condition, images):
        values = {name: (share, share, share) for name, share in zip(references, (0.9, 0.8, 0.3), strict=True)}
        image = np.zeros((4, 4, 3), np.uint8)
        return Live(condition, images, values, values, {}, image, image, 0.1)

    monkeypatch.setattr(engine, "accuracy_now", accuracy_now)
    at = opened(walk="4")
    assert not at.metric
    at.pills(key="tested").set_value("Silhouettes").run()
    assert not at.exception
    assert [each.value for each in at.metric] == ["90 %", "80 %", "30 %"]
    assert "Accuracy on 200 test images" in text_of(at)


def test_the_last_step_leads_to_attention_and_the_camera():
    at = opened(walk="5")
    assert at.button(key="walk-photo").label == "Open Attention"
    assert "Use the live camera" in [each.label for each in at.button]


def test_without_networks_a_step_says_so_and_the_walk_goes_on(monkeypatch):
    monkeypatch.setattr(networks, "choices", list)
    at = opened(walk="1")
    assert "The bundled networks are missing" in at.info[0].value
    assert at.button(key="walk-next")


def outputs(teacher, student, twin) -> NetworkOutputs:
    logits = {
        name: np.log(np.array(values, np.float64))
        for name, values in zip(("teacher", "student", "twin"), (teacher, student, twin), strict=True)
    }
    return NetworkOutputs(("star", "ring"), np.zeros((3, 2, 2, 3), np.uint8), np.array([0, 0, 0]), logits)


def test_the_image_is_one_that_only_the_twin_gets_wrong():
    sure, unsure, wrong = (0.9, 0.1), (0.6, 0.4), (0.2, 0.8)
    found = outputs([sure, sure, sure], [sure, unsure, sure], [sure, wrong, wrong])
    assert steps.image(found) == 2  # the student is surer than on the second
    assert steps.image(outputs([wrong] * 3, [sure, unsure, sure], [sure, wrong, unsure])) == 1  # they differ most
