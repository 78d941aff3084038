"""The gallery over a made-up survey: which images it shows, its sentences, and that it can be stopped."""

from collections.abc import Iterator

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kdcore.errors import UserError
from kdcore.inspection import METRICS, agreement, gallery
from kdcore.inspection.gallery import NetworkMaps, Survey
from pages.parts.components.gallery_cards import gallery_cards

from ..conftest import SECONDS, FakeRunner

CLASSES = ("cat", "dog")
Surveys = list[tuple[str, str, str | None, int]]


def network_maps(maps: np.ndarray, predicted: np.ndarray) -> NetworkMaps:
    return NetworkMaps("grad_cam", maps, np.eye(2)[predicted] * 0.8 + 0.1)


def made_up(count: int, total: int = 40) -> Survey:
    """The student looks where the teacher does on odd images only; of every four the teacher misses none, the student one."""
    random = np.random.default_rng(0)
    teacher = random.random((total, 4, 4)) ** 4
    student = np.where((np.arange(total) % 2 == 1)[:, None, None], teacher, random.random((total, 4, 4)) ** 4)
    targets = np.arange(total) // 2 % 2
    wrong = np.where(np.arange(total) % 4 == 0, 1 - targets, targets)
    rows = [agreement(*pair) for pair in zip(student, teacher, strict=True)]
    return Survey(
        CLASSES, np.arange(count), np.zeros((count, 8, 8, 3), np.uint8), targets[:count], network_maps(teacher[:count], targets[:count]),
        network_maps(student[:count], wrong[:count]), None, {m: np.array([row[m] for row in rows[:count]]) for m in METRICS}, total,
    )  # fmt: skip


def page(roles: tuple[str, ...]) -> None:
    from types import SimpleNamespace

    from pages.parts.attention.gallery import show

    chosen = {
        role.capitalize(): SimpleNamespace(reference=f"cues-{role}", title=role, kind="bundled", architecture="cnn")
        for role in roles
    }
    show(chosen, "grad_cam")


@pytest.fixture
def started(runner: FakeRunner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Surveys]:
    """The surveys that were started; each has two steps."""
    started: Surveys = []

    def look_through(teacher, student, store, *, map_name, at_most):
        started.append((teacher, student, map_name, at_most))
        yield from (made_up(20), made_up(40))

    monkeypatch.setattr(gallery, "look_through", look_through)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield started
    st.cache_resource.clear()


def opened(*roles: str) -> AppTest:
    return AppTest.from_function(page, default_timeout=SECONDS, args=(roles or ("teacher", "student"),)).run()


def press(test: AppTest, label: str) -> AppTest:
    return next(button for button in test.button if button.label == label).click().run()


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.button]


def text(test: AppTest) -> str:
    return "\n".join(element.value for element in (*test.markdown, *test.caption, *test.info, *test.warning))


def test_nothing_runs_before_the_button_is_pressed(started: Surveys):
    test = opened()
    assert not test.exception
    assert "Compare on 200 images" in labels(test)
    assert started == []


def test_a_step_at_a_time_until_it_is_done(started: Surveys):
    test = press(opened(), "Compare on 200 images")
    assert started == [("cues-teacher", "cues-student", "grad_cam", 200)]
    assert "Stop" in labels(test)
    assert "By class" in str([tab.label for tab in test.tabs])
    test.run()
    assert "Stop" not in labels(test)
    assert "12 of 40 images" in text(test)
    assert len(started) == 1
    assert not test.exception


def test_results_stay_when_it_is_stopped(started: Surveys):
    test = press(press(opened(), "Compare on 200 images"), "Stop")
    assert "Stopped after 20 of 40 images; the results below are of these." in text(test)
    test = press(test, "Continue the comparison")
    assert "12 of 40 images" in text(test)
    assert len(started) == 1


def test_images_are_chosen_by_who_is_right_and_counted(started: Surveys):
    test = press(opened(), "Compare on 200 images").run()
    answers = next(box for box in test.selectbox if box.label == "Predictions")
    assert answers.options == [
        "All predictions", "Both right", "Only the teacher right", "Only the student right", "Both wrong",
    ]  # fmt: skip
    counted = "Both right: 30, only the teacher right: 10, only the student right: 0, both wrong: 0"
    assert counted in [caption.value for caption in test.caption]
    answers.select_index(2).run()
    assert "10 of 10 images" in text(test)
    next(box for box in test.selectbox if box.label == "Predictions").select_index(3).run()
    assert "No image matches." in text(test)


def test_more_cards_are_shown_on_demand(started: Surveys):
    test = press(opened(), "Compare on 200 images").run()
    test = press(test, "Show 12 more")
    assert "24 of 40 images" in text(test)


def test_the_table_says_what_is_beyond_chance(started: Surveys):
    test = press(opened(), "Compare on 200 images").run()
    assert "agree more on the **same image** than on different ones" in text(test)
    table = test.table[0].value
    assert list(table["Class"]) == ["**all**", "cat", "dog"]
    assert list(table["Images"]) == ["40", "20", "20"]
    assert table["Student right"][0] == "75 %"
    assert table["Beyond chance"][0].startswith("\u2212")


def test_a_twin_may_be_compared_in_the_students_place(started: Surveys):
    test = opened("teacher", "student", "twin")
    test.segmented_control[0].set_value("Twin").run()
    press(test, "Compare on 200 images")
    assert started[0][:2] == ("cues-teacher", "cues-twin")


def test_one_network_alone_has_no_gallery(started: Surveys):
    assert "Choose at least two networks" in text(opened("teacher"))


def test_missing_images_are_named(started: Surveys, monkeypatch: pytest.MonkeyPatch):
    def refuses(*_, **__):
        raise UserError("The test images of cifar10 are not in data.")
        yield

    monkeypatch.setattr(gallery, "look_through", refuses)
    test = press(opened(), "Compare on 200 images")
    assert "The test images of cifar10 are not in data." in text(test)
    assert "Compare on 200 images" in labels(test.run())


def test_a_card_shows_who_is_right_and_the_distance_of_the_maps():
    found = made_up(40)
    card = gallery_cards._card(found, 0, [found.teacher.heatmaps[0], found.student.heatmaps[0]], ("Teacher", "Student"))
    assert card["label"] == "cat"
    assert card["apart"] == f"{found.agreement['js'][0]:.2f} nats apart"
    teacher, student = card["networks"]
    assert (teacher["says"], teacher["right"], teacher["share"]) == ("cat", True, "90 %")
    assert (student["says"], student["right"]) == ("dog", False)
