"""What a visitor may do is a list: every other public attribute of the engine refuses, also one that is added tomorrow."""

import inspect
import re

import pytest

from kdcore import paths
from kdcore.errors import NotAllowed, UserError
from kdcore.inspection import Inspector, robustness
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.recipe.study import Study
from kdcore.runner import Runner
from kdcore.store import RunState, Store, Studies
from pages.parts import engine
from pages.parts.roles import visitors

MAY = {
    Runner: {"active", "store"},
    Store: {"by_recipe", "checkpoint", "csv", "environment", "ids", "probe", "read_all", "recipe", "series", "snapshots", "state", "states",
            "test_predictions", "version", "outcome"},
    Studies: {"csv", "damaged", "ids", "state", "states"},
    Inspector: {"affinity", "agreement", "atlas", "faithfulness", "inspect", "over_time"},
}  # fmt: skip
FUNCTIONS = {
    "ask_for_control", "take_control_back",  # a window with the passcode alone takes it back: roles/windows checks
    "accuracies_ahead",  # refuses nobody, and does nothing for a visitor
    "accuracy_now", "library_choice", "networks_here", "batch_of_step", "bundled", "camera_frame", "check_data", "check_settings", "choices", "conditions", "data_classes", "deployment", "evaluable",
    "evaluation_refusal", "families", "heatmap_sensitivity", "image_counts", "images_of_test_set", "inspector", "kept_of_run", "kept_outcomes",
    "layer_similarity", "left_out", "methods", "missing_plugins", "perturbed_curves", "quick_evaluation", "read_upload", "refusal", "remove_shared_photo", "runner",
    "set_title", "share_photo", "shared_photo", "shown", "soft_labels", "store", "student_names",
    "studies", "survey", "test_image", "test_outputs", "test_sets", "trial", "without_teacher",
}  # fmt: skip
FOR_ITSELF = {
    "another_run_trains",
    "draw_ahead",
    "process_runner",
    "operators",
    "visitors",
}  # of the server and of the module


class Forbidden:
    """Stands for an object of the engine: a visitor's call must not reach it."""

    store = None

    def __getattr__(self, name):
        pytest.fail(f"{name} was reached")


def public(kind):
    own = [name for each in kind.__mro__[:-1] for name in vars(each)]
    set_inside = inspect.getsource(kind.__init__).split("self.")[1:]
    return {name for name in [*own, *(part.split()[0].rstrip(":,=") for part in set_inside)] if name.isidentifier() and name[0] != "_"}  # fmt: skip


@pytest.mark.parametrize("kind", MAY)
def test_every_other_attribute_of_the_engines_objects_refuses(kind):
    watched = {
        Runner: visitors.runner, Store: visitors.store, Studies: visitors.studies, Inspector: lambda real: visitors.inspector(real, lambda *_: None)
    }[kind](Forbidden())  # fmt: skip
    assert MAY[kind] <= public(kind)
    for name in sorted(public(kind) - MAY[kind]):
        with pytest.raises(NotAllowed, match="Only the operator can .*Enter the passcode"):
            getattr(watched, name)("20260101-000000-quick-0000")
    with pytest.raises(AttributeError):
        watched._thread


def functions():
    return {
        name: found
        for name, found in vars(engine).items()
        if inspect.isfunction(found) and found.__module__.startswith(engine.__name__) and name[0] != "_"
    }


def test_every_function_of_the_interface_is_marked():
    marked = {name: getattr(found, "role", None) for name, found in functions().items() if name not in FOR_ITSELF}
    assert {name for name, role in marked.items() if role is None} == set()
    assert {name for name, role in marked.items() if role == "visitor"} == FUNCTIONS


def test_every_function_that_is_the_operators_refuses(monkeypatch, visiting):
    monkeypatch.setattr(engine.process, "process_runner", lambda: Forbidden())
    tried = [name for name, found in functions().items() if getattr(found, "role", "") == "operator"]
    assert len(tried) >= 5
    for name in tried:
        arguments = inspect.signature(getattr(engine, name)).parameters
        with pytest.raises(NotAllowed, match="Only the operator can"):
            getattr(engine, name)(*(None for _ in arguments))


def test_pages_reach_the_engine_through_its_interface_alone():
    """An object that a page made itself would obey everybody."""
    made = re.compile(
        r"\b(Store|Studies|Inspector|Runner|RunWriter)\(|look_through\(|photos\.read_upload\(|process_runner\(|models\.load\(|"
        r"robustness\.(assess|kept|of_run|gallery|live|similarity|sensitivity|export|preview)\("
    )
    own = ("engine", "roles")
    for path in sorted((paths.PROJECT / "pages").rglob("*.py")):
        if path.parent.name not in own:
            assert not made.search(path.read_text(encoding="utf-8")), f"{path.name}: take it from pages/parts/engine"


def test_the_operators_messages_say_what_was_tried(runner, visiting):
    run_id = runner.store.create(Recipe(student=ModelRecipe(model="tiny"), terms=(Term(method="ce"),)))
    assert engine.refusal(engine.runner().stop, run_id) == (
        "Only the operator can stop runs. Enter the passcode under “Watching” at the top of the page."
    )
    assert "delete runs and studies" in engine.refusal(engine.store().delete, run_id)
    assert "delete runs and studies" in engine.refusal(engine.studies().delete, "any")
    assert "change a run's settings" in engine.refusal(engine.runner().set_knob, run_id, "learning_rate", 2.0)
    assert runner.told == []
    assert runner.store.ids() == [run_id]


def test_the_runners_store_is_a_visitors_too(runner, visiting):
    with pytest.raises(NotAllowed):
        engine.runner().store.delete("any")


def test_a_visitors_folder_is_not_looked_at(visiting, monkeypatch, tmp_path):
    monkeypatch.setattr(engine.recipes.preflight, "check_data", lambda data: pytest.fail("it was looked at"))
    monkeypatch.setattr(engine.recipes.datasets, "check", lambda data: pytest.fail("it was looked at"))
    monkeypatch.setattr(engine.recipes.preflight, "data_classes", lambda data: pytest.fail("it was looked at"))
    data = DataRecipe(name="folder", path=str(tmp_path))
    for function in (engine.check_data, engine.data_classes, engine.image_counts):
        with pytest.raises(NotAllowed, match="Only the operator can use folders of this server"):
            function(data)
    with pytest.raises(NotAllowed, match="Only the operator can use folders of this server"):
        engine.check_settings(Recipe(data=data, student=ModelRecipe(model="five_conv")))


@pytest.mark.parametrize(
    "reference", ["/srv/private.safetensors", "teacher.safetensors", "pretrained", "no-such-model"]
)
def test_a_visitor_inspects_networks_of_the_list_alone(runner, visiting, monkeypatch, reference):
    monkeypatch.setattr(engine.networks, "_inspector", lambda store: Forbidden())
    tried = [
        lambda: engine.survey(reference, "cues-teacher", map_name=None, at_most=100),
        lambda: engine.test_image(reference, 0, at_most=100),
        lambda: engine.test_outputs({"student": reference}),
        lambda: engine.inspector().inspect(None, reference),
    ]
    for function in tried:
        with pytest.raises(NotAllowed, match="Only the operator can use weight files of this server"):
            function()


def test_the_traceback_is_the_operators(make_run, runner, visiting):
    run_id = make_run("failed")
    assert runner.store.state(run_id).traceback
    assert engine.store().state(run_id).traceback == ""
    assert [run.traceback for run in engine.store().states()] == [""]


@pytest.mark.parametrize(
    "told, shown",
    [
        ("There is no folder /home/ada/birds (looked in /home/ada).", "There is no folder birds (looked in ada)."),
        ("'/srv/kd/w.safetensors' is damaged", "'w.safetensors' is damaged"),
        ("see ~/kd/log.txt", "see log.txt"),
        ("see C:\\Users\\ada\\log.txt", "see log.txt"),
        (f"{paths.PROJECT}/kdcore/errors.py", "errors.py"),
        ("`/a/b`, (/c/d); [/e/f]", "`b`, (d); [f]"),
        ("271.4 images/s, 3 / 4 and/or torchvision/resnet18", "271.4 images/s, 3 / 4 and/or torchvision/resnet18"),
        ("https://arxiv.org/abs/1612.03928", "https://arxiv.org/abs/1612.03928"),
        (r"\tau^2 \mathrm{KL}", r"\tau^2 \mathrm{KL}"),
    ],
)
def test_a_path_of_the_server_is_shown_as_a_name(told, shown):
    assert visitors.in_words(told) == shown


def test_a_path_in_the_servers_folders_stays_findable(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "my runs"))
    told = f"No run 'x' in {tmp_path / 'my runs'}. See {tmp_path / 'my runs'}/one/events.jsonl."
    assert visitors.in_words(told) == "No run 'x' in runs. See runs/one/events.jsonl."


def test_what_a_visitor_reads_names_no_path(runner, visiting, monkeypatch):
    secret = "/home/ada/secret"
    recipe = Recipe(
        data=DataRecipe(name="folder", path=f"{secret}/birds"), student=ModelRecipe(model="tiny"), terms=(Term(method="kd"),),
        teacher=TeacherRecipe(weights=f"{secret}/w.safetensors"), note=f"of\n{secret}/x",
    )  # fmt: skip
    run_id = runner.store.create(recipe)
    study = Study(recipe=recipe.model_dump(mode="json"), vary={"data.path": (f"{secret}/a", f"{secret}/b")})
    study_id = Studies(runner.store).create(study)
    state = engine.studies().state(study_id)
    read = [engine.store().recipe(run_id).to_yaml(), state.study.to_yaml(), str(list(state.variants())),
            engine.studies().csv(study_id)]  # fmt: skip
    assert list(state.summaries()) == list(state.variants())
    for text in read:
        assert "/home" not in text
        assert "secret/" not in text
    with pytest.raises(UserError) as refused:
        engine.store().state("no-such-run")
    assert str(runner.store.root) not in str(refused.value)
    failed = RunState(
        "x", "x", reason=f"no {secret}/y", damage=f"{secret}/z", notes=({"text": secret, "level": "", "time": 0.0},)
    )
    assert "/home" not in repr(visitors.without_paths(failed))


def test_a_visitor_sees_no_path_in_what_is_said_of_test_sets(runner, visiting, monkeypatch):
    path = paths.data_folder() / "x.npz"
    card = robustness.SetCard(
        "fog", "Fog", "", "", "", (), (), "fog@3", "", False, False, unavailable=f"{path} is missing"
    )
    network = robustness.Network("a", "A", "", "run", "cnn", f"Folder in {path}", 32, "group")
    for name, found in (("refusal", f"{path} is missing"), ("test_sets", [card]), ("networks", [network])):
        monkeypatch.setattr(robustness, name, lambda *_, found=found: found)
    monkeypatch.setattr(engine.robustness, "known", lambda *_: None)
    assert engine.evaluation_refusal(["a"]) == "data/x.npz is missing"
    assert engine.test_sets(["a"])[0].unavailable == "data/x.npz is missing"
    assert engine.evaluable()[0].data == "Folder in data/x.npz"
    with pytest.raises(UserError, match="^data/x.npz is damaged$"):
        next(engine.guards.Charged(refusing(f"{path} is damaged")))
    assert engine.shown(f"free some space in {path}") == "free some space in data/x.npz"  # of the operator's evaluation


def refusing(message: str):
    raise UserError(message)
    yield
