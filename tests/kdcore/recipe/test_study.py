import pytest

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.recipe import RecipeError, library, trials
from kdcore.recipe import study as studies

RECIPE = {
    "student": {"model": "three_stage_cnn_16"},
    "teacher": {"weights": "cues-teacher"},
    "terms": [{"method": "ce", "weight": 0.1}, {"method": "kd", "weight": 0.9}],
}


def study(**settings):
    return studies.from_plain({"name": "mine", "recipe": RECIPE, "seeds": [0, 1], **settings})


def test_a_grid_of_two_settings_has_every_combination_with_every_seed():
    made = study(vary={"terms.1.temperature": [2, 4], "optimizer.lr": [0.001, "2e-3", 0.004]})
    points = studies.points(made)
    assert len(points) == made.count == 12
    assert [point.variant for point in points[::2]][:2] == ["kd temperature 2, lr 0.001", "kd temperature 2, lr 0.002"]
    last = points[-1].recipe
    assert (last.terms[1].temperature, last.optimizer.lr, last.seeds) == (4, 0.004, (1,))
    assert last.name == "mine: kd temperature 4, lr 0.004, seed 1"


def test_variants_may_replace_whole_sections():
    terms = [{"method": "ce"}]
    made = study(variants={"with": {}, "without": {"terms": terms, "teacher": None}})
    with_teacher, *_, without = studies.points(made)
    assert [term.method for term in with_teacher.recipe.terms] == ["ce", "kd"]
    assert [term.method for term in without.recipe.terms] == ["ce"]
    assert without.recipe.teacher is None


def test_with_neither_it_is_one_recipe_over_its_seeds():
    assert [(point.variant, point.seed) for point in studies.points(study())] == [("as it is", 0), ("as it is", 1)]


def test_it_reads_back_what_it_writes():
    made = study(vary={"data.labels": [100, "all"]}, note="why")
    import yaml

    assert studies.from_plain(yaml.safe_load(made.to_yaml())) == made


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"varry": {}}, "`varry` is not a known key. Did you mean `vary`?"),
        ({"vary": {"epochs": {"low": 1, "high": 9}}}, "gives a range for 'epochs', which has no end of values: list some, or draw"),
        ({"vary": {"epochs": {"low": 9, "high": 1}}}, "`vary.epochs` cannot be used: a range runs from a lower to a higher number, not from 9 to 1"),
        ({"vary": {"epochs": {"lo": 9, "high": 1}}}, "`vary.epochs.lo` is not a known key. Did you mean `low`?"),
        ({"vary": {"optimizer.lr": {"low": 0, "high": 1, "log": True}}}, "a logarithmic range starts above 0, not at 0"),
        ({"trials": {"count": 3}}, "`trials` draws variants from `vary`, which is empty"),
        ({"vary": {"epochs": [1, 2]}, "trials": {"by": "luck"}}, "`trials.by` should be 'random' or 'tpe', not 'luck'"),
        ({"vary": {"epochs": []}}, "gives no value for 'epochs'"),
        ({"vary": {"seeds": [1]}}, "'seeds' is a setting of the study itself"),
        ({"variants": {"a": {"seeds": [1]}}}, "'seeds' is a setting of the study itself"),
        ({"vary": {"epochs": [1, 2]}, "variants": {"a": {}}}, "either `vary` or `variants`, not both"),
        ({"seeds": []}, "`seeds` is empty"),
        ({"seeds": [1, 1]}, "`seeds` names one twice: 1, 1. The runs would be identical: give each seed once"),
        ({"seeds": list(range(2000))}, "`seeds` has 2,000 entries; at most 1,000 are allowed."),
        ({"vary": {"s" * 10**6: []}}, "gives no value for 'sss"),
        ({"seeds": ["x"]}, "`seeds.0` should be an integer, not 'x'"),
        ({"vary": {"epochs": list(range(1, 300))}}, "it has 598 runs; at most 500 are allowed: draw some of them with `trials`"),
    ],
)  # fmt: skip
def test_what_makes_no_study_is_refused_by_name(settings, message):
    with pytest.raises(RecipeError) as refused:
        study(**settings)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply here: at most 50 levels are allowed"),
        ("recipe: quick\nvary: {epochs: [1, 2]}\nvary: {}", "line 3, `vary`: the key is there twice (lines 2 and 3)"),
        ("recipe: quick\nvary: {optimizer.lr: [.inf]}", "line 2, `vary.optimizer.lr.0`: '.inf' is not a finite number"),
        ("recipe: &it quick\nname: *it", "line 1, `recipe`: &it: anchors (&) and aliases (*) are not supported"),
        ("recipe: quick\nnote: 2026-02-30", "line 2, `note`: '2026-02-30' is a date"),
    ],
)
def test_a_study_s_file_is_read_within_the_limits_of_a_recipe_s(tmp_path, text, told):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"mine\.yaml is not valid YAML: line") as refused:
        studies.named(str(tmp_path / "mine.yaml"))
    assert told in str(refused.value)


def test_a_value_that_is_not_finite_names_the_variant():
    for value in (float("inf"), "nan", "inf"):
        with pytest.raises(RecipeError, match=r"The variant 'lr \w+' of the study mine cannot be used") as refused:
            studies.points(study(vary={"optimizer.lr": [0.1, value]}))
        assert "`optimizer.lr` should be a finite number" in str(refused.value)


@pytest.mark.parametrize("name", ["q" * 10**6, "q\0k", "q/" * 5000])
def test_a_name_that_no_file_can_have_is_unknown(name):
    with pytest.raises(RecipeError, match=r"There is no recipe 'q") as refused:
        library.recipe(name)
    assert len(str(refused.value)) < 2000


def test_a_setting_that_does_not_exist_names_the_variant():
    with pytest.raises(RecipeError, match="The variant 'lrr 1' of the study mine cannot be used") as refused:
        studies.points(study(vary={"optimizer.lrr": [1]}))
    assert "Did you mean `lr`?" in str(refused.value)


def test_one_value_twice_is_refused():
    with pytest.raises(RecipeError, match="has the variant 'epochs 2' twice"):
        studies.points(study(vary={"epochs": [2, 2]}))


@pytest.mark.parametrize("other", ["CAF\u00c9", "cafe\u0301", "caf \u00e9", "caf\u00e9\u200b"])
def test_variants_whose_labels_look_the_same_are_refused_before_they_run(other):
    variants = {"caf\u00e9": {"epochs": 1}, other: {"epochs": 2}}
    with pytest.raises(
        RecipeError, match="has the variants 'caf\u00e9' and .*, which look the same in a table: labels should differ"
    ):
        studies.resolved(study(variants=variants))
    assert len(studies.points(study(variants=variants))) == 4  # a stored one stays readable


def test_names_have_their_umlauts_as_one_character():
    assert study(name="u\u0308ber").name == "\u00fcber"
    assert recipes.from_plain({"name": "u\u0308ber", "student": {"model": "resnet20"}}).name == "\u00fcber"
    assert study(name=" \u200b").name == "untitled"


def test_terms_of_one_name_in_two_forms_are_refused():
    terms = [{"method": "ce", "name": "u\u0308"}, {"method": "ce", "name": "\u00fc"}]
    with pytest.raises(RecipeError, match="two terms have the name '\u00fc': give one of them another"):
        recipes.from_plain({"student": {"model": "resnet20"}, "terms": terms})


def test_spelling_the_recipe_out_keeps_the_study_what_it_is():
    made = studies.from_plain({"name": "mine", "recipe": "quick", "vary": {"epochs": [2, 3]}})
    alone = studies.resolved(made, ["data.labels=100"])
    assert isinstance(alone.recipe, dict)
    assert {point.recipe.data.labels for point in studies.points(alone)} == {100}
    assert {point.recipe.teacher.weights for point in studies.points(alone)} == {"cues-teacher"}


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(RecipeError, match="There is no study 'temperatur'. Did you mean 'temperature'?"):
        studies.named("temperatur")
    with pytest.raises(RecipeError, match="There is no recipe 'quik'. Did you mean 'quick'?"):
        studies.points(studies.from_plain({"recipe": "quik"}))


@pytest.mark.parametrize("name", studies.names())
def test_every_bundled_study_has_points_and_says_what_it_is(name):
    found = studies.named(name)
    assert studies.points(found)
    assert found.note
    assert len(found.seeds) >= 3


def test_a_recipe_in_a_folder_is_found_by_its_path():
    assert "failures/random-teacher" in library.recipe_names()
    assert library.recipe("failures/random-teacher").teacher.accept


def test_a_name_never_leads_out_of_the_folder():
    with pytest.raises(RecipeError, match=r"There is no recipe '../studies/temperature'"):
        library.recipe("../studies/temperature")


RANGES = {
    "optimizer.lr": {"low": "1e-4", "high": 0.01, "log": True},
    "epochs": {"low": 2, "high": 4},
    "data.labels": [100, "all"],
}


def test_a_grid_has_any_number_of_settings():
    vary = {"terms.1.temperature": [2, 4], "optimizer.lr": [0.1, 0.2], "epochs": [3, 4], "data.labels": [100, "all"]}
    labels = [point.variant for point in studies.points(study(vary=vary, seeds=[0]))]
    assert len(set(labels)) == 16
    assert labels[1] == "kd temperature 2, lr 0.1, epochs 3, labels all"


def test_random_variants_follow_from_their_seed_and_are_written_out_when_the_study_starts():
    made = study(vary=RANGES, trials={"count": 12, "seed": 5})
    assert made.count == 24
    settings = studies.resolved(made).variants
    assert len(settings) == 12
    assert settings == studies.variants(made) == studies.resolved(studies.resolved(made)).variants
    assert settings != studies.variants(study(vary=RANGES, trials={"count": 12, "seed": 6}))
    assert {each["epochs"] for each in settings.values()} == {2, 3, 4}
    rates = sorted(each["optimizer.lr"] for each in settings.values())
    assert 1e-4 <= rates[0] < 1e-3 < rates[-1] <= 1e-2  # equal chances for each power of ten
    label, first = next(iter(settings.items()))
    assert label == f"lr {first['optimizer.lr']:g}, epochs {first['epochs']}, labels {first['data.labels']}"
    points = studies.points(studies.from_plain(studies.to_plain(studies.resolved(made))))
    assert points[0].recipe.optimizer.lr == first["optimizer.lr"]


def test_more_different_variants_than_there_are_is_refused():
    with pytest.raises(RecipeError, match="9 different variants were to be drawn, but these values have only 6"):
        studies.variants(study(vary={"epochs": {"low": 2, "high": 4}, "twin": [True, False]}, trials={"count": 9}))


def test_a_search_begins_without_variants_and_is_checked_at_both_ends():
    made = study(vary=RANGES, trials={"count": 5, "by": "tpe"})
    assert made.searches
    assert list(studies.variants(studies.resolved(made))) == ["as it is"]
    checked = []
    studies.check(made, checked.append)
    assert [(recipe.optimizer.lr, recipe.epochs, recipe.data.labels) for recipe in checked] == [
        (1e-4, 2, 100),
        (0.01, 4, "all"),
    ]

    def refuse(recipe):
        if recipe.epochs == 4:
            raise UserError("too long")

    with pytest.raises(RecipeError, match="The variant 'lr 0.01, epochs 4, labels all' cannot run: too long"):
        studies.check(made, refuse)


@pytest.mark.parametrize(
    ("text", "low", "high", "log"),
    [("1e-4..1e-2:log", 1e-4, 1e-2, True), ("2..6", 2, 6, False), ("-0.5..0.5", -0.5, 0.5, False)],
)
def test_a_range_on_the_command_line(text, low, high, log):
    assert trials.range_of(text) == trials.Range(low=low, high=high, log=log)


@pytest.mark.parametrize("text", ["1", "../mine.safetensors", "a..b", ".."])
def test_other_values_are_no_range(text):
    assert trials.range_of(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1e-4..", "'1e-4..' is not a range: LOW..HIGH or LOW..HIGH:log was expected"),
        ("1..2:exp", "'1..2:exp' is not a range: LOW..HIGH"),
        ("4..2", "'4..2' is not a range: a range runs from a lower to a higher number, not from 4 to 2."),
        ("0..1:log", "'0..1:log' is not a range: a logarithmic range starts above 0, not at 0."),
        ("0..inf", "'0..inf' is not a range: a range lies between -1e+15 and 1e+15; it runs from 0 to inf."),
    ],
)
def test_what_is_no_range_is_refused_with_the_form_of_one(text, message):
    with pytest.raises(RecipeError) as refused:
        trials.range_of(text)
    assert message in str(refused.value)


def test_a_study_names_files_relative_to_the_folders_of_data_and_runs(tmp_path, monkeypatch):
    """So that it continues on a machine where these folders are elsewhere."""
    monkeypatch.setenv("KD_DATA", str(tmp_path / "here"))
    photos = tmp_path / "here" / "photos"
    photos.mkdir(parents=True)
    own = RECIPE | {"data": {"name": "folder", "path": str(photos)}}
    stored = studies.to_plain(studies.resolved(study(recipe=own, seeds=[0])))
    assert stored["recipe"]["data"]["path"] == "$KD_DATA/photos"
    monkeypatch.setenv("KD_DATA", str(tmp_path / "there"))
    (point,) = studies.points(studies.from_plain(stored))
    assert point.recipe.data.path == str(tmp_path / "there" / "photos")


@pytest.mark.parametrize("low, high", [(1, 10**400), (-(10**400), 1), (-1e308, 1e308), (1, 1e16), (float("nan"), 1)])
@pytest.mark.parametrize("log", [False, True])
def test_the_ends_of_a_range_are_numbers_that_can_be_drawn_between(low, high, log):
    with pytest.raises(
        RecipeError, match="a range (lies between|runs from)|a logarithmic range starts|finite number"
    ) as refused:
        studies.from_plain(
            {"recipe": "quick", "vary": {"epochs": {"low": low, "high": high, "log": log}}, "trials": {"count": 3}}
        )
    assert len(str(refused.value)) < 400


def test_a_logarithmic_range_whose_ratio_is_no_number_is_refused():
    with pytest.raises(
        RecipeError, match="1e-320..1e15:log.* is not a range: a logarithmic range starts above 0, at 1e-100"
    ):
        trials.range_of("1e-320..1e15:log")


def test_a_study_of_more_runs_than_can_be_written_out_is_refused_in_words():
    vary = {f"setting.{number}": [1, 2] for number in range(20_000)}
    with pytest.raises(RecipeError, match=r"it has more than 10\^15 runs; at most 500 are allowed: draw some of them"):
        studies.from_plain({"recipe": "quick", "vary": vary})


def test_seeds_of_a_study_are_no_setting_of_its_recipe():
    made = studies.from_plain({"name": "s", "recipe": "quick", "vary": {"epochs": [1, 2]}})
    with pytest.raises(UserError, match="`seeds` are the study's.*--seeds 0 1 2"):
        studies.resolved(made, ["epochs=1", "seeds=[0]"])
