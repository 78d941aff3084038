"""The camera's view on Attention: what it starts with, its address, and the frame that becomes a photo."""

import io

import pytest
from PIL import Image

from kdcore.inspection import Choice, map_cards
from pages.parts import engine
from pages.parts.attention import camera, networks, photo_choice
from pages.parts.roles import role
from pages.parts.server import camera as cameras

BUNDLED = [
    Choice(f"{kin}-{network}", f"{network} of {kin}", "", "bundled", ("cat", "dog"), "cnn", (4, 4), side)
    for kin, side in (("cues", 64), ("cifar10", 32))
    for network in ("teacher", "student", "twin")
]


@pytest.fixture
def drawn(runner, monkeypatch) -> list:
    """What the component was given, each time that the page ran."""
    given: list = []
    monkeypatch.setattr(networks, "choices", lambda: BUNDLED)
    monkeypatch.setattr(camera, "live_camera", lambda watched, **settings: given.append((watched, settings)))
    monkeypatch.setattr(cameras, "_cameras", type(cameras._cameras)())
    return given


def test_the_camera_opens_from_its_address_with_networks_of_photographs(drawn, open_page):
    at = open_page("attention.py", source=camera.LIVE)
    assert not at.exception
    (watched, settings), *_ = drawn
    assert [(each.title, each.network) for each in watched] == [
        ("Teacher", "teacher of cifar10"), ("Student", "student of cifar10"), ("Twin", "twin of cifar10"),
    ]  # fmt: skip
    assert (settings["side"], settings["fastest"]) == (32, 20.0)
    opened = cameras._cameras[settings["key"]]
    assert (opened.references, opened.map_name) == (("cifar10-teacher", "cifar10-student", "cifar10-twin"), "hires_cam")


def test_only_maps_of_one_pass_are_offered(drawn, open_page):
    at = open_page("attention.py", source=camera.LIVE)
    titles = {card.title for card in map_cards().values() if card.one_pass}
    assert set(at.selectbox(key="live-map").options) == titles
    assert "Occlusion" not in " ".join(titles)


def test_networks_and_map_are_in_the_address_and_the_key_stays(drawn, open_page):
    at = open_page("attention.py", source=camera.LIVE, networks="Cues", **{"live-map": "Attention rollout"})
    first = drawn[-1][1]["key"]
    assert cameras._cameras[first].map_name == "rollout"
    assert drawn[-1][1]["side"] == 64
    at.selectbox(key="live-map").select("grad_cam").run()
    assert drawn[-1][1]["key"] == first
    assert cameras._cameras[first].map_name == "grad_cam"


def test_a_visitor_has_fewer_frames_a_second(drawn, open_page, monkeypatch):
    monkeypatch.setattr(role, "is_operator", lambda: False)
    open_page("attention.py", source=camera.LIVE)
    assert drawn[-1][1]["fastest"] == 8.0


def test_without_a_network_there_is_no_camera(runner, open_page, monkeypatch):
    monkeypatch.setattr(networks, "choices", list)
    at = open_page("attention.py", source=camera.LIVE)
    assert "There is no network yet" in at.info[0].value


def test_a_frozen_frame_is_the_photo_that_is_looked_at(monkeypatch):
    state: dict = {camera.SOURCE: camera.LIVE}
    monkeypatch.setattr(camera.st, "session_state", state)
    packed = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(packed, "JPEG")
    camera.freeze(packed.getvalue())
    assert state[camera.SOURCE] == camera.PHOTO
    assert [name for name, _ in photo_choice._taken().values()] == ["camera"]


def test_the_cameras_bounds_are_those_of_its_networks():
    assert camera.of_photographs(BUNDLED) == "cifar10"
    assert camera.of_photographs(BUNDLED[:3]) == ""
    assert engine.camera_frame.role == "visitor"
