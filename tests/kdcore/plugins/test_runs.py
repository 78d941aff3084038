"""Runs whose plugins are missing or changed: a sentence, and all that is stored is shown."""

import json

import pytest

from kdcore import plugins
from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.events import Queued
from kdcore.inspection import run_plugins
from kdcore.runner import Runner
from kdcore.store import Store
from kdcore.store.run_files import environment
from tests.kdcore.plugins.conftest import EXAMPLES

RECIPE = {
    "name": "own", "student": {"model": "three_stage_cnn_16"}, "teacher": {"weights": "cues-teacher"},
    "terms": [{"method": "ce"}, {"method": "margin"}],
}  # fmt: skip


@pytest.fixture
def interrupted(tmp_path):
    """A run that was started with a plugin and ended, and its store."""
    store = Store(tmp_path / "runs")
    run_id = store.create(recipes.from_plain(RECIPE))
    with store.writer(run_id) as writer:
        writer.append(Queued())
    environment.record(
        store.folder(run_id), {"plugin": {"method margin": {"file": "/home/me/margin.py", "sha256": "a" * 64}}}
    )
    return store, run_id


def test_it_is_not_resumed_or_forked_without_them_and_the_message_says_how(interrupted):
    store, run_id = interrupted
    runner = Runner(store, device="cpu", threads=1)
    try:
        for go_on in (runner.resume, runner.fork):
            with pytest.raises(UserError) as refused:
                go_on(run_id)
            assert str(refused.value) == (
                "The run uses plugins that are not loaded: the method 'margin'. To load them, start with --plugin "
                "/home/me/margin.py, or these in KD_PLUGINS (docs/plugins.md)."
            )
        assert runner.knobs(run_id) == ("learning_rate", "weight/ce", "weight/margin")
    finally:
        runner.close()
    assert store.state(run_id).name == "own"


def test_with_them_nothing_is_missing(interrupted, write):
    store, run_id = interrupted
    plugins.use(write("margin.py", EXAMPLES["margin.py"]))
    (entry,) = store.environment(run_id)
    assert run_plugins.missing(entry["plugin"]) == ""
    run_plugins.check(entry["plugin"])


def test_a_changed_file_is_a_difference_of_the_environment(write):
    recipe = recipes.from_plain(RECIPE)
    found = []
    for folder, text in (("one", EXAMPLES["margin.py"]), ("two", EXAMPLES["margin.py"] + "\n# changed\n")):
        path = write(f"{folder}/margin.py", text)
        with plugins.given([str(path)]):
            found.append({"plugin": run_plugins.used(recipe)})
    before, now = (each["plugin"]["method margin"]["sha256"] for each in found)
    assert environment.differences(*found) == [f"plugin method margin sha256 {before[:12]}… before, {now[:12]}… now"]


def test_an_installed_package_is_named_as_what_to_install():
    recorded = {
        "dataset bands": {"file": "my-parts 1.2 (my_parts.bands)", "sha256": "b" * 64},
        "method margin": {"file": "/a/margin.py"},
        "network odd": {"file": "/a/nets"},
        "method kd": {"file": "/a/kd.py"},
    }
    assert run_plugins.missing(recorded) == (
        "The run uses plugins that are not loaded: the dataset 'bands', the method 'margin' and the network 'odd'. To load them, "
        "install my-parts 1.2 and start with --plugin /a/margin.py --plugin /a/nets, or these in KD_PLUGINS (docs/plugins.md)."
    )


@pytest.mark.parametrize(
    "recorded",
    [None, [], "method margin", {"method margin": 3}, {"spell margin": {"file": "x.py"}}, {"method margin": {"file": 3}}, {3: {}}],
)  # fmt: skip
def test_what_was_edited_by_hand_is_left_out(recorded):
    assert run_plugins.missing(recorded) == ""


def test_a_run_without_plugins_records_none(tmp_path):
    recipe = recipes.from_plain({**RECIPE, "terms": [{"method": "ce"}]})
    assert run_plugins.used(recipe) == {}
    assert json.dumps(run_plugins.used(recipe)) == "{}"


@pytest.mark.parametrize("raised", ["SystemExit('no')", "GeneratorExit('no')", "KeyboardInterrupt('no')"])
def test_a_plugin_that_ends_the_program_fails_its_run_and_the_next_one_trains(raised, tmp_path, write):
    text = EXAMPLES["margin.py"].replace(
        "        top, teacher_top =", f"        raise {raised}\n        top, teacher_top ="
    )
    plugins.use(write("ending.py", text))
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    small = {"data": {"train_images": 32, "test_images": 32, "batch_size": 16}, "epochs": 1, "twin": False}
    try:
        terms = [{"method": "ce"}, {"method": "ending"}]
        (failing,) = runner.start(recipes.from_plain(RECIPE | small | {"terms": terms}))
        (after,) = runner.start(recipes.from_plain(RECIPE | small | {"terms": [{"method": "ce"}]}))
        assert runner.wait(after, 100)
        state = runner.store.state(failing)
        if raised.startswith("System"):
            line = 1 + text.splitlines().index(f"        raise {raised}")
            assert state.reason.startswith(f"The plugin ending.py failed in line {line}: SystemExit: no. The log has")
        assert state.status in ("failed", "interrupted")
        assert runner.store.state(after).status == "finished"
    finally:
        runner.close()
