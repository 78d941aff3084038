"""What the browser asks for while a run trains."""

import base64
import hashlib
import json
import time

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kdcore import events as ev
from kdcore.export import curves
from pages.parts.server import headers, moments, routes


@pytest.fixture
def client(runner) -> TestClient:
    app = Starlette(routes=list(routes.ROUTES), middleware=list(routes.MIDDLEWARE))
    return TestClient(app, base_url="http://localhost:8501")


def test_state_says_how_far_a_run_is(client, make_run):
    said = client.get(f"/api/runs/{make_run('running')}/state").json()
    assert (said["status"], said["active"], said["step"], said["steps"]) == ("running", True, 9, 20)
    assert said["latest"]["student"]["top1"] == 0.5


def test_series_go_on_from_a_step(client, make_run):
    run_id = make_run("running")
    first = client.get(f"/api/runs/{run_id}/series").json()
    assert first["reset"]
    assert first["series"]["loss/student/total"] == [list(range(1, 10)), [1.0] * 9]
    later = client.get(f"/api/runs/{run_id}/series?since=7").json()
    assert not later["reset"]
    assert later["series"]["loss/student/total"] == [[7, 8, 9], [1.0, 1.0, 1.0]]


def test_an_evaluation_that_comes_after_its_step_was_told_is_not_lost(client, runner, make_run):
    run_id = make_run("stopped")
    assert client.get(f"/api/runs/{run_id}/series").json()["step"] == 10
    with runner.store.writer(run_id) as writer:
        writer.append(ev.Evaluated(10, 1.0, "validation", {"student": {"top1": 0.75, "nll": 1.0, "ece": 0.1}}))
    said = client.get(f"/api/runs/{run_id}/series?since=10").json()
    assert said["series"]["top1/student"] == [[10], [0.75]]


def test_series_grow_with_the_run(client, runner, make_run):
    run_id = make_run("stopped")
    assert client.get(f"/api/runs/{run_id}/series?since=10").json()["series"]["share/kd"] == [[], []]
    with runner.store.writer(run_id) as writer:
        for step in (11, 12):
            writer.append(
                ev.StepEnded(step, step / 10, {"student": {"total": 0.123456789}}, {"kd": 0.5}, {}, {}, 1e-3, 200.0, {})
            )
    said = client.get(f"/api/runs/{run_id}/series?since=10&names=share/kd,loss/student/total").json()
    assert said["series"] == {"share/kd": [[11, 12], [0.5, 0.5]], "loss/student/total": [[11, 12], [0.12346, 0.12346]]}


def test_a_run_that_went_back_to_its_checkpoint_starts_anew(client, make_run):
    said = client.get(f"/api/runs/{make_run('running')}/series?since=500").json()
    assert said["reset"]
    assert said["series"]["share/kd"][0] == list(range(1, 10))


def test_a_gap_is_null(client, make_run):
    said = client.get(f"/api/runs/{make_run()}/series?names=train_top1/twin").json()
    assert set(said["series"]["train_top1/twin"][1]) == {None}


def test_the_end_of_a_run_is_said(client, make_run):
    assert client.get(f"/api/runs/{make_run()}/series").json()["active"] is False


@pytest.mark.parametrize(
    "run_id", ["nope", "..", "%2e%2e%2f%2e%2e", ".hidden", "a" * 256, "a" * 5000, "%00", "ä" * 300]
)
@pytest.mark.parametrize("route", ["state", "series"])
def test_what_is_no_run_is_not_found(client, make_run, run_id, route):
    make_run()
    assert client.get(f"/api/runs/{run_id}/{route}").status_code == 404


@pytest.mark.parametrize("since", ["yesterday", "--5", "-", "", "1.5", "1e3", "²", "٣", "5_0", "nan", "0x10"])
def test_since_is_a_step(client, make_run, since):
    answer = client.get(f"/api/runs/{make_run()}/series", params={"since": since})
    assert answer.status_code == 400
    assert answer.json() == {"error": f"`since` is {since!r}; the number of a step was expected."}


@pytest.mark.parametrize("since", ["-5", "9" * 300, "-" + "9" * 300])
def test_a_step_that_is_not_in_the_run_starts_anew(client, make_run, since):
    assert client.get(f"/api/runs/{make_run()}/series", params={"since": since}).json()["reset"]


def test_numbers_beyond_the_run_do_not_make_new_responses(client, make_run):
    """They are made once and cached, so that nobody keeps the server busy with them."""
    address = f"/api/runs/{make_run()}"
    queries = ("series?since=", "series?since=0&to=", "moments?since=")
    for query in queries:
        client.get(f"{address}/{query}1000000")
    made = [curves.new_points, curves.stretch, moments._body]
    before = [each.cache_info().misses for each in made]
    for query in queries:
        for far in (1000001, 99999999):
            assert client.get(f"{address}/{query}{far}").status_code == 200
    for far in (-2, -999):
        client.get(f"{address}/series?since={far}")
    assert [each.cache_info().misses for each in made] == before


def test_long_digits_are_no_step(client, make_run):
    assert client.get(f"/api/runs/{make_run()}/series?since={'9' * 5000}").status_code == 400


@pytest.fixture
def long_run(runner, make_run):
    """A run with 5,000 logged steps whose loss is 1 but at step 2,500."""
    run_id = make_run("stopped")
    with runner.store.writer(run_id) as writer:
        for step in range(11, 5_001):
            loss = {"student": {"total": 9.0 if step == 2_500 else 1.0}}
            writer.append(ev.StepEnded(step, step / 10, loss, {}, {}, {}, 1e-3, 200.0, {}))
    return run_id


def test_a_long_series_is_thinned_out_and_comes_with_its_means(client, long_run):
    told = client.get(f"/api/runs/{long_run}/series?names=loss/student/total").json()["series"]["loss/student/total"]
    steps, values, mean_steps, means, every = told
    assert len(steps) <= curves.MOST_POINTS
    assert len(mean_steps) <= curves.MOST_POINTS // 2
    assert values[steps.index(2_500)] == 9.0
    assert max(means) == pytest.approx(1 + 8 / 7, abs=1e-4)  # the spike is one of the 7 steps of its interval
    assert every == 1


def test_a_stretch_of_a_long_series_has_all_its_points(client, long_run):
    address = f"/api/runs/{long_run}/series?names=loss/student/total&since=2000&to=2999"
    steps, values = client.get(address).json()["series"]["loss/student/total"]
    assert steps == list(range(1999, 3001))
    assert values[steps.index(2_500)] == 9.0


@pytest.mark.parametrize("since, to", [("-5", "9" * 300), ("9" * 300, "0"), ("-1", "-" + "9" * 300)])
def test_a_stretch_that_is_not_in_the_run_is_no_error(client, make_run, since, to):
    answer = client.get(f"/api/runs/{make_run()}/series?names=share/kd&since={since}&to={to}")
    assert answer.status_code == 200


def test_the_end_of_a_stretch_is_a_step(client, make_run):
    answer = client.get(f"/api/runs/{make_run()}/series?since=1&to=later")
    assert answer.status_code == 400
    assert answer.json() == {"error": "`to` is 'later'; the number of a step was expected."}


def test_means_leave_gaps_out():
    steps, found = curves.means(np.arange(6), np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan]), 3)
    np.testing.assert_array_equal(steps, [0.5, 2.5, 4.5])
    np.testing.assert_array_equal(found, [2.0, 5.0, np.nan])


def test_a_change_of_a_setting_is_marked_with_its_values(client, runner, make_run):
    run_id = make_run("stopped")
    with runner.store.writer(run_id) as writer:
        writer.append(ev.KnobTurned(11, "weight/kd", 2.0, values={"old": 0.9, "new": 1.8}))
        writer.append(ev.KnobTurned(12, "learning_rate", 0.5))  # by an earlier version
        writer.append(ev.WeightAdapted(13, 1.3, "kd", 0.5, "no improvement"))
    assert client.get(f"/api/runs/{run_id}/series?since=10").json()["marks"] == [
        [11, "Weight of kd: 0.9 → 1.8"],
        [12, "Learning rate: × 1 → × 0.5"],
        [13, "Weight of kd: lowered to × 0.5"],
    ]


def test_a_fork_is_drawn_from_where_it_was_forked(client, runner, make_run):
    parent, child = make_run("stopped"), make_run("queued")
    with runner.store.writer(parent) as writer:
        writer.append(ev.Evaluated(10, 1.0, "validation", {"student": {"top1": 0.75}}))
    with open(runner.store.folder(child) / "events.jsonl", "a") as events:
        for event in (
            ev.RunForked(8, 0.8, parent, {"terms.1.weight": [1.0, 0.2]}),
            ev.RunStarted(8, 20, 2, "CPU", "fp32", ("a",), 3600, 500, {}, resumed=True),
            ev.StepEnded(9, 0.9, {"student": {"total": 5.0}}, {}, {}, {}, 1e-3, 200.0, {}),
        ):
            events.write(json.dumps({**event.to_plain(), "time": time.time()}) + "\n")
    told = client.get(f"/api/runs/{child}/series?names=loss/student/total,top1/student").json()
    assert told["series"]["loss/student/total"] == [[8, 9], [1.0, 5.0]]
    assert told["series"]["top1/student"] == [[0], [0.5]]  # not the parent's evaluation after the fork
    assert told["marks"] == [[8, "Fork: kd weight 1 → 0.2"]]


def test_every_answer_tells_the_browser_to_be_careful(client):
    answered = client.get("/api/runs/nope/state").headers
    assert answered["x-content-type-options"] == "nosniff"
    assert answered["x-frame-options"] == "SAMEORIGIN"
    assert answered["referrer-policy"] == "same-origin"


def test_nothing_of_another_address_is_loaded(client):
    policy = client.get("/api/runs/nope/state").headers["content-security-policy"]
    parts = {name: sources for name, _, sources in (part.partition(" ") for part in policy.split("; "))}
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == parts["frame-ancestors"] == "'self'"
    assert parts["frame-src"] == parts["object-src"] == "'none'"
    assert parts["img-src"] == "'self' data: blob:"
    assert parts["connect-src"] == "'self' data: blob: ws://localhost:8501 wss://localhost:8501"
    assert "unsafe" not in parts["script-src"]
    assert "*" not in policy


def test_scripts_in_the_page_are_those_that_streamlit_wrote_into_it():
    (hashed,) = headers._inline_scripts()
    written = headers.INDEX.read_text().split("<script>")[1].split("</script>")[0]
    assert hashed == f"'sha256-{base64.b64encode(hashlib.sha256(written.encode()).digest()).decode()}'"


@pytest.mark.parametrize("host", ["evil.example", "localhost:1; script-src *", "a" * 5000, ""])
def test_a_foreign_host_is_not_written_into_the_policy(host):
    scope = {"type": "http", "headers": [(b"host", host.encode())], "server": ("127.0.0.1", 8501), "scheme": "http"}
    assert headers._host(scope) == ""


def test_thinning_keeps_ends_and_spikes():
    steps, values = np.arange(100_000), np.sin(np.arange(100_000) / 5000)
    values[54_321], values[12_345], values[200:400] = 9.0, -9.0, np.nan
    kept, shown = curves.thinned(steps, values, 1500)
    assert len(kept) <= 1500
    assert (kept[0], kept[-1]) == (0, 99_999)
    assert {54_321, 12_345} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(shown, values[kept])


def test_few_points_stay_as_they_are():
    steps, values = np.arange(10), np.arange(10.0)
    assert curves.thinned(steps, values, 1500)[0] is steps


def test_rounding_keeps_five_digits_of_any_size():
    values = np.array([0.0, -123456.789, 1.23456789e-7, np.inf])
    assert curves._plain(np.arange(4), values)[1] == [0.0, -123460.0, 1.2346e-07, None]


@pytest.mark.parametrize("count", [1_501, 3_000, 99_999, 100_000])
def test_thinning_keeps_the_extremes_and_the_ends_of_any_length_with_gaps_between(count):
    values = np.random.default_rng(0).normal(size=count)
    values[::7] = np.nan
    values[[3, count - 2]] = 50.0, -50.0
    kept, shown = curves.thinned(np.arange(count), values, 1500)
    assert len(kept) <= 1500
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert (np.nanmax(shown), np.nanmin(shown)) == (50.0, -50.0)
