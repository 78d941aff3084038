"""Frames of a camera: who may send them, of which size, how many at once, and what they cost."""

import threading

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kdcore.errors import NotAllowed, UserError
from kdcore.inspection import Glance
from pages.parts import engine
from pages.parts.roles import quota, role
from pages.parts.server import camera, routes

SIDE = 4
FRAME = bytes(range(SIDE * SIDE * 3))


@pytest.fixture(autouse=True)
def computed(monkeypatch) -> list:
    """Frames that reach the engine, which answers at once; who sent them, and of which networks."""
    seen: list = []

    def camera_frame(pixels, references, map_name):
        seen.append((pixels, references, map_name, role.visit()))
        heat = np.array([[0.5, 0.5], [0.0, 0.0]], np.float32)
        return [Glance(name, "hires_cam", heat, "star", 0.75) for name in references]

    monkeypatch.setattr(engine, "camera_frame", camera_frame)
    monkeypatch.setattr(camera, "_cameras", type(camera._cameras)())
    return seen


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=list(routes.ROUTES), middleware=list(routes.MIDDLEWARE))
    return TestClient(app, base_url="http://localhost:8501")


def opened(visit: str = "ada", references=("a", "b"), side: int = SIDE) -> str:
    with role.acting_for(visit):
        return f"/api/camera/{camera.key_for(references, 'hires_cam', side)}"


def test_a_frame_comes_back_as_classes_and_maps_of_the_visits_networks(client, computed):
    said = client.post(opened(), content=FRAME).json()
    assert [each["class"] for each in said["networks"]] == ["star", "star"]
    assert said["networks"][0] == {
        "class": "star", "probability": 0.75, "problem": "", "grid": [2, 2], "method": "HiResCAM for star",
        "values": "QEAAAA==",  # twice the average is 64 of 255 where 8 times is the end
    }  # fmt: skip
    pixels, references, map_name, visit = computed[0]
    assert pixels.tobytes() == FRAME
    assert pixels.shape == (SIDE, SIDE, 3)
    assert (references, map_name, visit) == (("a", "b"), "hires_cam", "ada")


def test_a_visit_keeps_its_key_when_it_chooses_other_networks(client, computed):
    address = opened()
    assert opened(references=("c",)) == address
    client.post(address, content=FRAME)
    assert computed[0][1] == ("c",)
    assert opened("bob") != address


def test_an_unknown_key_is_refused(client, computed):
    opened()
    answer = client.post("/api/camera/guessed", content=FRAME)
    assert (answer.status_code, computed) == (404, [])
    assert "Reload the page" in answer.json()["error"]


def test_a_visit_that_has_ended_is_refused(client, computed, monkeypatch):
    address = opened()
    monkeypatch.setattr(camera, "_is_here", lambda visit: False)
    assert client.post(address, content=FRAME).status_code == 404
    assert computed == []


@pytest.mark.parametrize("body", [b"", FRAME[:-1], FRAME + b"x", b"x" * 10_000_000])
def test_a_frame_of_another_size_is_refused(client, computed, body):
    answer = client.post(opened(), content=body)
    assert (answer.status_code, computed) == (413, [])
    assert "4 x 4 pixels of RGB, 48 bytes" in answer.json()["error"]


def test_a_body_of_unknown_length_is_not_read(client, computed):
    read = []

    def endless():
        for _ in range(1000):
            read.append(1)
            yield b"x" * 1000

    assert client.post(opened(), content=endless()).status_code == 413
    assert computed == []


def test_no_frame_is_larger_than_a_network_needs():
    opened(side=100_000)
    assert next(iter(camera._cameras.values())).side == camera.LARGEST


def test_only_a_frame_can_be_sent(client):
    assert client.get(opened()).status_code == 405


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_foreign_page_sends_no_frame(client, computed, headers):
    assert client.post(opened(), content=FRAME, headers=headers).status_code == 403
    assert computed == []


def test_a_second_frame_of_a_camera_waits_for_no_one(client, computed, monkeypatch):
    address, began, done = opened(), threading.Event(), threading.Event()

    def slow(*_):
        began.set()
        done.wait(60)
        return []

    monkeypatch.setattr(engine, "camera_frame", slow)
    first = threading.Thread(target=lambda: client.post(address, content=FRAME))
    first.start()
    began.wait(60)
    answer = client.post(address, content=FRAME)
    done.set()
    first.join(60)
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        "The last frame of this camera is still being computed.",
    )


def test_a_bounded_number_of_cameras_runs_at_once(client, computed, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(camera.time, "monotonic", lambda: now[0])
    for visit in range(camera.AT_ONCE):
        assert client.post(opened(str(visit)), content=FRAME).status_code == 200
    answer = client.post(opened("late"), content=FRAME)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "4 cameras are in use" in answer.json()["error"]
    assert client.post(opened("0"), content=FRAME).status_code == 200
    now[0] += camera.IDLE_SECONDS
    assert client.post(opened("late"), content=FRAME).status_code == 200


def test_visitors_never_take_the_operators_camera(client, monkeypatch):
    monkeypatch.setattr(role, "operates", lambda visit: visit == "operator")
    own = opened("operator")
    for visit in range(camera.AT_ONCE):
        client.post(opened(str(visit)), content=b"wrong size")
    assert client.post(own, content=FRAME).status_code == 200
    assert client.post(opened("late"), content=FRAME).status_code == 503


def test_a_frame_that_is_under_way_when_the_page_changes_its_size_is_answered(client, computed, monkeypatch):
    address, received = opened(), camera._body

    async def meanwhile(request, size):
        opened(side=2 * SIDE)
        return await received(request, size)

    monkeypatch.setattr(camera, "_body", meanwhile)
    assert client.post(address, content=FRAME).status_code == 200
    assert computed[0][0].shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(
    ("error", "status"), [(NotAllowed("Visitors have 20 seconds."), 429), (UserError("No such map."), 422)]
)
def test_a_refusal_of_the_engine_is_a_sentence(client, monkeypatch, error, status):
    def refuse(*_):
        raise error

    monkeypatch.setattr(engine, "camera_frame", refuse)
    answer = client.post(opened(), content=FRAME)
    assert (answer.status_code, answer.json()) == (status, {"error": str(error)})


def test_keys_are_bounded():
    for visit in range(camera.MOST_KEYS + 10):
        opened(str(visit))
    assert len(camera._cameras) == camera.MOST_KEYS


def test_a_visitors_frames_count_as_computing(runner, visiting, monkeypatch):
    from pages.parts.engine import camera as frames

    now = [0.0]
    monkeypatch.setattr(quota, "computing", quota.Quota(20, 40, lambda: 0.0))
    monkeypatch.setattr(quota.time, "thread_time", lambda: now[0])
    monkeypatch.setattr(frames.networks, "known", lambda *_: None)
    monkeypatch.setattr(frames.networks, "glance", lambda *_: now.__setitem__(0, now[0] + 15) or ["seen"])
    with role.acting_for("ada"):
        assert frames.camera_frame(None, ["cues-teacher"], None) == ["seen"]
        frames.camera_frame(None, ["cues-teacher"], None)
        with pytest.raises(NotAllowed, match="20 seconds of computing a minute"):
            frames.camera_frame(None, ["cues-teacher"], None)
    with role.acting_for("bob"):
        assert frames.camera_frame(None, ["cues-teacher"], None) == ["seen"]


def test_a_visitors_camera_uses_no_file_of_the_server(runner, visiting):
    from pages.parts.engine import camera as frames

    with pytest.raises(NotAllowed, match="Only the operator can use weight files of this server"):
        frames.camera_frame(None, ["/etc/weights.safetensors"], None)


def test_the_camera_is_allowed_to_the_app_alone(client):
    allowed = client.get("/api/runs/nope/state").headers["permissions-policy"]
    assert "camera=(self)" in allowed
    assert "microphone=()" in allowed
