import time

import pytest

from kdcore import recipe
from kdcore.recipe import Recipe, RecipeError, from_plain, from_yaml, with_overrides

STUDENT = {"student": {"model": "resnet20"}}

S0 = """
name: vit-to-cnn-dynamic-attention
note: Entropy-weighted attention alignment.
data: {name: cifar10, image_size: 224, labels: all, augment: [flip, crop], batch_size: 128}
teacher: {model: vit_tiny_patch16_224, weights: pretrained, finetune: {epochs: 3, lr: 1.0e-4}}
student: {model: three_stage_cnn}
twin: true
terms:
  - {method: attention, weight: 0.7, layers: entropy}
  - {method: kd, weight: 0.3, temperature: {piecewise: [[1, 3.0], [20, 2.0], [21, 1.5], [50, 1.0]]}}
optimizer: {name: adamw, lr: 1.0e-3, weight_decay: 0.05}
lr: {shape: cosine, warmup_epochs: 2}
epochs: 50
seeds: [0, 1]
"""


def refusal(**changes: object) -> str:
    with pytest.raises(RecipeError) as refused:
        from_plain({**STUDENT, **changes})
    return str(refused.value)


def test_yaml_round_trip_changes_nothing():
    read = from_yaml(S0)
    assert from_yaml(read.to_yaml()) == read
    assert read.terms[1].temperature == {"piecewise": [[1, 3.0], [20, 2.0], [21, 1.5], [50, 1.0]]}
    assert read.seeds == (0, 1)
    assert read.teacher is not None
    assert read.teacher.finetune is not None
    assert read.teacher.finetune.epochs == 3


def test_yaml_leaves_out_what_is_at_its_default_and_keeps_the_order_of_the_fields():
    keys = [line.split(":")[0] for line in from_yaml(S0).to_yaml().splitlines() if line[0].isalpha()]
    assert keys == ["name", "note", "data", "teacher", "student", "twin", "terms", "lr", "epochs", "seeds"]


def test_the_shortest_recipe_trains_a_student_on_labels():
    shortest = from_plain(STUDENT)
    assert [term.method for term in shortest.terms] == ["ce"]
    assert shortest.teacher is None
    assert shortest.data.name == "cues"


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        from_plain(STUDENT).epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes, where, near",
    [
        ({"epoch": 3}, "epoch", "epochs"),
        ({"data": {"lables": 500}}, "data.lables", "labels"),
        ({"terms": [{"method": "kd", "wieght": 1}]}, "terms.0.wieght", "weight"),
        ({"optimizer": {"weight_decy": 0}}, "optimizer.weight_decy", "weight_decay"),
        ({"teacher": {"model": "a", "finetune": {"epoch": 1}}}, "teacher.finetune.epoch", "epochs"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(changes, where, near):
    assert f"`{where}` is not a known key. Did you mean `{near}`?" in refusal(**changes)


def test_an_unknown_key_near_to_nothing_lists_the_known_ones():
    assert "`twin.rl` is not a known key. Known: lr." in refusal(twin={"rl": 1})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"optimizer": {"lr": -1}}, "`optimizer.lr` should be greater than 0, not -1."),
        ({"optimizer": {"lr": float("nan")}}, "`optimizer.lr` should be a finite number, not nan."),
        ({"optimizer": {"lr": 1e300}}, "`optimizer.lr` should be less than or equal to 1000, not 1e+300."),
        (
            {"optimizer": {"weight_decay": 1e300}},
            "`optimizer.weight_decay` should be less than or equal to 1000, not 1e+300.",
        ),
        ({"twin": {"lr": 1e300}}, "`twin.lr` should be less than or equal to 1000, not 1e+300."),
        (
            {"teacher": {"model": "a", "finetune": {"lr": 1e300}}},
            "`teacher.finetune.lr` should be less than or equal to 1000",
        ),
        ({"epochs": 0}, "`epochs` should be greater than or equal to 1, not 0."),
        ({"epochs": "many"}, "`epochs` should be an integer, not 'many'."),
        ({"data": {"validation": 0.9}}, "`data.validation` should be less than 0.9, not 0.9."),
        ({"data": {"labels": "some"}}, "`data.labels` should be an integer or 'all', not 'some'."),
        ({"data": {"labels": -4}}, "`data.labels` should be greater than or equal to 0 or 'all', not -4."),
        ({"data": {"name": ["cifar10"]}}, "`data.name` should be a string, not ['cifar10']."),
        ({"data": {"augment": ["flop"]}}, "`data.augment.0` should be 'flip', 'crop', 'jitter' or 'rotation'"),
        ({"seeds": [-1]}, "`seeds.0` should be greater than or equal to 0, not -1."),
        ({"seeds": [1, 1, 1]}, "`seeds` names one twice: 1, 1, 1. The runs would be identical: give each seed once"),
        ({"data": {"seed": "runs"}}, "`data.seed` should be an integer or 'run', not 'runs'."),
        ({"name": ""}, "`name` is empty: give it a text, or leave the key out."),
        (
            {"student": {"model": "five_conv", "weights": ""}},
            "`student.weights` cannot be used: no weights are named: write `none`",
        ),
        ({"seeds": []}, "`seeds` is empty: a run needs at least one, for example [0]"),
        ({"terms": []}, "`terms` is empty"),
        ({"terms": [{"weight": 1}]}, "`terms.0.method` is missing."),
        ({"terms": [{"method": "kd"}, {"method": "kd"}]}, "two terms have the name 'kd'"),
        (
            {"terms": [{"method": "kd", "name": "total"}]},
            "a term has the name 'total', which is that of the sum of all losses",
        ),
        ({"terms": [{"method": "kd", "weight": -1}]}, "`terms.0.weight` falls to -1; it must be at least 0"),
        ({"terms": [{"method": "kd", "temperature": 0}]}, "`terms.0.temperature` falls to 0"),
        ({"terms": [{"method": "kd", "temperature": {"linear": [4, -1]}}]}, "falls to -1; it must stay above 0"),
        (
            {"lr": {"warmup_epochs": 10}},
            "`lr.warmup_epochs` (10) must be less than `epochs` (10): train for more epochs, or shorten",
        ),
        (
            {"lr": {"shape": {"linear": [1, -5]}}},
            "`lr.shape` falls to -5; it must be at least 0, since below 0 each step",
        ),
        ({"lr": {"shape": {"cosine": [1, -0.1]}}}, "`lr.shape` falls to -0.1"),
        ({"lr": {"shape": {"piecewise": [[1, 1], [2, -2], [3, 1]]}}}, "`lr.shape` falls to -2"),
        ({"lr": {"shape": {"steps": {"start": 1, "factor": -0.5, "at": [2, 3]}}}}, "`lr.shape` falls to -0.5"),
        ({"lr": {"shape": {"linear": [0, 0]}}}, "`lr.shape` is 0 in every epoch, so that nothing would be learned"),
        ({"lr": {"shape": {"piecewise": [[11, 0], [12, 1]]}}}, "`lr.shape` is 0 in every epoch"),
        ({"student": {"model": "a", "std": [0.5, 0, 0.5]}}, "`student.std.1` should be greater than 0, not 0."),
        ({"student": {}}, "name a `model`, or `weights` that come with one"),
        ({"twin": "maybe"}, "`twin` should be a boolean or a mapping of settings, not 'maybe'."),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(changes, message):
    assert message in refusal(**changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seeds": [0] * 1001}, "`seeds` has 1,001 entries; at most 1,000 are allowed."),
        ({"seeds": [2**32]}, "`seeds.0` should be less than 4294967296, not 4294967296."),
        ({"seeds": [10**5000]}, "not a number of about 5,001 digits."),
        ({"terms": [{"method": "ce"}] * 51}, "`terms` has 51 entries; at most 50 are allowed."),
        ({"terms": [{"method": "m" * 100}]}, "`terms.0.method` has 100 characters; at most 80 are allowed."),
        (
            {"terms": [{"method": "kd", "layers": [1.0] * 300}]},
            "`terms.0.layers` has 300 entries; at most 200 are allowed.",
        ),
        ({"terms": [{"method": "kd", "weight": 10**400}]}, "finite numbers, not a number of about 401 digits"),
        ({"terms": [{"method": "kd", "weight": "inf"}]}, "A schedule needs finite numbers, not inf."),
        ({"optimizer": {"lr": "inf"}}, "`optimizer.lr` should be a finite number, not 'inf'."),
        ({"optimizer": {"lr": 10**400}}, "`optimizer.lr` should be a number, not a number of about 401 digits."),
        ({"epochs": "9" * 5000}, "`epochs` should be an integer, not '9999"),
        ({"epochs": ["x" * 10**6] * 1000}, "`epochs` should be an integer, not ['xxx"),
        ({"note": "x" * 20_001}, "`note` has 20,001 characters; at most 20,000 are allowed."),
        (
            {"data": {"name": "folder", "path": "x" * 201}},
            "`data.path` cannot be used: it has 201 characters; a path has",
        ),
        ({"data": {"name": "folder", "path": "a\0b"}}, "is not a path: it contains a zero byte"),
        ({"data": {"name": "folder", "path": "a\udcffb"}}, "is not UTF-8 text: rename the folder or file"),
        ({"data": {"train_images": 10**30}}, "`data.train_images` should be less than or equal to 1000000000, not"),
        ({1: 2}, "`1` is not a known key: keys are text."),
    ],
)
def test_what_is_too_much_is_refused_in_a_short_sentence(changes, message):
    told = refusal(**changes) if 1 not in changes else refused_plain({**STUDENT, **changes})
    assert message in told
    assert len(told) < 500


def refused_plain(plain: dict) -> str:
    with pytest.raises(RecipeError) as refused:
        from_plain(plain)
    return str(refused.value)


def test_many_mistakes_are_counted_and_the_first_ten_named():
    began = time.process_time()
    told = refusal(**{f"{'epoch' * 100}{number}": number for number in range(10_000)}).splitlines()
    assert time.process_time() - began < 2
    assert len(told) == 12
    assert told[1].startswith("  - `epochepoch")
    assert "is not a known key. Known: name, note, data" in told[1]
    assert told[-1] == "  - and 9,990 more."
    assert max(map(len, told)) < 500


def test_all_that_is_wrong_is_said_at_once():
    message = refusal(epoch=3, optimizer={"lr": 0})
    assert "`epoch`" in message
    assert "`optimizer.lr`" in message


@pytest.mark.parametrize(
    "schedule, message",
    [
        (
            {"lin": [3, 1]},
            "A schedule is a number or one of linear, cosine, steps, piecewise, scaled, held, not {'lin': [3, 1]}",
        ),
        ("high", "not 'high'"),
        ({"linear": [3]}, "The settings of schedule 'linear' are not valid: [3]"),
        ({"piecewise": [[20, 2.0], [1, 3.0]]}, "the epochs must rise"),
        ({"steps": {"start": 1, "factor": 0.1}}, "The settings of schedule 'steps' are not valid"),
    ],
)
def test_a_schedule_that_is_none_is_refused_where_it_stands(schedule, message):
    said = refusal(terms=[{"method": "kd", "weight": schedule}])
    assert "`terms.0.weight`" in said
    assert message in said


def test_a_number_that_yaml_takes_for_text_is_a_number():
    assert from_yaml("student: {model: resnet20}\nterms: [{method: kd, weight: 1e-3}]").terms[0].weight == 0.001


@pytest.mark.parametrize("text", ["a: [", "just words", "- a\n- list", ""])
def test_what_is_no_mapping_is_refused(text):
    with pytest.raises(RecipeError, match=r"not valid YAML|should be a mapping|is empty: a recipe has keys"):
        from_yaml(text)


def test_load_names_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    with pytest.raises(RecipeError, match=r"Cannot read the recipe .*mine\.yaml: No such file"):
        recipe.load(path)
    path.write_text("epoch: 3")
    with pytest.raises(RecipeError, match=r"mine\.yaml cannot be used"):
        recipe.load(path)
    path.write_text(S0, encoding="utf-8")
    assert recipe.load(path) == from_yaml(S0)


def test_overrides_reach_every_depth():
    changed = with_overrides(
        from_yaml(S0),
        ["epochs=3", "data.labels=500", "terms.0.weight=0.5", "terms.1.weight={linear: [1, 0]}", "optimizer.lr=1e-4"],
    )
    assert (changed.epochs, changed.data.labels, changed.terms[0].weight) == (3, 500, 0.5)
    assert changed.terms[1].weight == {"linear": [1, 0]}
    assert changed.optimizer.lr == 1e-4
    assert changed.student == from_yaml(S0).student


@pytest.mark.parametrize(
    "override, message",
    [
        ("epochs", "'epochs' is not KEY=VALUE"),
        ("data.lables=4", "`data.lables` is not a known key. Did you mean `labels`?"),
        ("terms.3.weight=1", "'terms.3.weight' is not a setting of this recipe"),
        ("teacher.weights=none", "'teacher.weights' is not a setting of this recipe"),
        ("epochs=0", "`epochs` should be greater than or equal to 1"),
        ("data.labels=[", "The value of 'data.labels=[' is not valid YAML"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(override, message):
    with pytest.raises(RecipeError) as refused:
        with_overrides(from_plain(STUDENT), [override])
    assert message in str(refused.value)


def test_a_learning_rate_warms_up_and_then_follows_its_shape():
    rate = from_plain({**STUDENT, "lr": {"shape": "linear", "warmup_epochs": 2}, "epochs": 10}).lr.schedule(10)
    assert rate(0.0) == 0.0
    assert rate(0.1) == pytest.approx(0.5 * 0.9)  # half of the warm-up, and a tenth of the way down
    assert rate(0.5) == pytest.approx(0.5)
    assert rate(1.0) == pytest.approx(0.0)


def test_every_recipe_that_comes_with_the_project_is_whole():
    from kdcore.paths import ASSETS

    for path in sorted((ASSETS / "recipes").glob("*.yaml")):
        read = recipe.load(path)
        assert read.note, f"{path.name} says nothing of what it reproduces, what to expect and what it costs"
        assert isinstance(read, Recipe)
        assert from_yaml(read.to_yaml()) == read


# --- epochs of a term, and weights that adapt -----------------------------------------------------------------------


def test_hints_alone_may_come_first():
    terms = [{"method": "fitnets", "to_epoch": 20}, {"method": "kd", "from_epoch": 6}]
    hints, kd = from_plain({**STUDENT, "terms": terms}).terms
    assert [epoch for epoch in range(1, 11) if kd.counts_in(epoch)] == [6, 7, 8, 9, 10]
    assert all(hints.counts_in(epoch) for epoch in range(1, 11))  # a recipe made shorter keeps its last epoch


@pytest.mark.parametrize(
    "terms, reason",
    [
        (
            [{"method": "ce"}, {"method": "kd", "from_epoch": 11}],
            "`terms.1.from_epoch` is 11, but the run has 10 epochs: 'kd' would never be active",
        ),
        (
            [{"method": "ce", "from_epoch": 4, "to_epoch": 3}, {"method": "kd"}],
            "`terms.0.to_epoch` (3) is before its `from_epoch` (4)",
        ),
        (
            [{"method": "ce", "to_epoch": 3}, {"method": "kd", "from_epoch": 5}],
            "no term is active in epoch 4: let one of `terms` start earlier (from_epoch) or end later (to_epoch)",
        ),
    ],
)
def test_a_term_s_epochs_are_checked(terms, reason):
    assert reason in refusal(terms=terms)


ADAPTS = [{"method": "kd", "name": "dark"}, {"method": "fitnets", "weight": 250, "adapt": {}}]


def test_a_weight_adapts_to_the_kd_term_unless_told_otherwise():
    recipe = from_plain({**STUDENT, "terms": ADAPTS})
    adapt = recipe.terms[1].adapt
    assert adapt is not None
    assert (adapt.factor, adapt.patience, recipe.watched(adapt)) == (0.5, 2, "dark")
    assert from_yaml(recipe.to_yaml()).terms[1].adapt == adapt


def test_adapting_needs_images_that_are_held_out():
    told = refusal(data={"validation": 0}, terms=ADAPTS)
    assert "`terms.1.adapt` watches a loss on the validation images, and there are none" in told
    assert "set data.validation, for example to 0.1" in told


@pytest.mark.parametrize(
    "terms",
    [
        [ADAPTS[0], {"method": "fitnets", "adapt": {"watch": "kd"}}],
        [{"method": "ce"}, {"method": "fitnets", "adapt": {}}],
    ],
)
def test_adapting_needs_a_term_to_watch(terms):
    told = refusal(terms=terms)
    assert "`terms.1.adapt` watches 'kd', which is not a term of this recipe" in told
    assert f"set `watch` to one of {terms[0].get('name', terms[0]['method'])}, fitnets" in told


def test_a_full_recipe_means_the_same_when_a_default_changes(monkeypatch):
    made = from_plain({**STUDENT, "twin": {"lr": 0.01}, "terms": [{"method": "ce"}, {"method": "kd"}]})
    full, short = made.to_full_yaml(), made.to_yaml()
    assert from_yaml(full) == made
    for key in (
        "epochs: 10",
        "batch_size: 64",
        "weight_decay: 0.05",
        "shape: cosine",
        "cache_views",
        "temperature: 4.0",
    ):
        assert (key in full) == (key != "cache_views")  # of a teacher, which this recipe does not have
    assert "epochs" not in short
    monkeypatch.setattr(Recipe.model_fields["epochs"], "default", 99)
    Recipe.model_rebuild(force=True)
    try:
        assert from_yaml(short).epochs == 99
        assert from_yaml(full).epochs == 10
    finally:
        monkeypatch.undo()
        Recipe.model_rebuild(force=True)


def test_files_in_the_data_folder_are_stored_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "one"))
    (tmp_path / "one" / "weights").mkdir(parents=True)
    teacher = tmp_path / "one" / "weights" / "t.safetensors"
    teacher.touch()
    made = from_plain({
        **STUDENT, "data": {"name": "folder", "path": str(tmp_path / "one" / "pets")},
        "teacher": {"model": "resnet20", "weights": str(teacher)},
    })  # fmt: skip
    full = made.to_full_yaml()
    assert "path: $KD_DATA/pets" in full
    assert "weights: $KD_DATA/weights/t.safetensors" in full
    assert from_yaml(full) == made
    monkeypatch.setenv("KD_DATA", str(tmp_path / "two"))
    moved = from_yaml(full)
    assert moved.data.path == str(tmp_path / "two" / "pets")
    assert moved.teacher.weights == str(tmp_path / "two" / "weights" / "t.safetensors")


def test_a_name_has_no_characters_that_act_on_a_terminal():
    assert from_plain({**STUDENT, "name": "a\x1b[31mred\n\u202e"}).name == "a [31mred  "
