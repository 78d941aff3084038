import pytest

from kdcore.data import perturbations
from kdcore.robustness import conditions
from kdcore.robustness.conditions import CLEAN, Condition, parse


def test_a_condition_is_written_as_it_is_read():
    for text in ("clean", "patch_scramble@4", "patch_scramble@2"):
        assert str(parse(text)) == text
    assert str(Condition("low_pass", 0.25)) == "low_pass@0.25"


def test_a_set_without_a_strength_is_at_its_usual_one():
    assert parse("patch_scramble") == Condition("patch_scramble", 4.0)


def test_several_texts_start_with_the_clean_images_and_spell_out_strengths():
    found = conditions.parse_all(["patch_scramble", "patch_scramble@3", "clean"])
    assert list(map(str, found)) == ["clean", *(f"patch_scramble@{each}" for each in (2, 4, 8, 3))]


def test_a_misspelt_set_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError, match=r"Unknown test set 'patch_scrambel'. Did you mean 'patch_scramble'\? Known: clean, "
    ):
        parse("patch_scrambel@4")


def test_a_strength_that_is_no_number_is_refused_with_examples():
    for strength in ("strong", "nan", "inf", ""):
        with pytest.raises(ValueError, match="a number was expected: grid .tiles a side., as in patch_scramble@2, "):
            parse(f"patch_scramble@{strength}")
    with pytest.raises(ValueError, match="clean images have no strength; write clean"):
        parse("clean@2")


def test_a_quick_evaluation_has_one_set_of_each_kind_and_none_that_is_slow():
    quick = conditions.of("quick")
    assert quick[0] == CLEAN
    sets = [perturbations.get(each.set_name) for each in quick[1:]]
    assert len({each.probes for each in sets}) == len(sets) >= 1
    assert not any(each.cached for each in sets)


def test_a_full_evaluation_has_every_set_and_the_corruptions_at_their_usual_strength():
    full = conditions.of("full")
    assert {each.set_name for each in full} == {"clean", *perturbations.names()}
    for name in perturbations.names():
        made = perturbations.get(name)
        wanted = (made.usual,) if made.probes == "corruption" else made.strengths
        assert [each.strength for each in full if each.set_name == name] == [float(each) for each in wanted]


def test_a_usual_evaluation_has_every_set_once_at_its_usual_strength():
    first, *usual = conditions.of("usual")
    assert first == CLEAN
    assert {each.set_name: each.strength for each in usual} == {
        name: float(perturbations.get(name).usual) for name in perturbations.names()
    }
    assert len(usual) == len(perturbations.names())


def test_corruptions_are_at_all_strengths():
    for each in conditions.of("corruptions")[1:]:
        assert perturbations.get(each.set_name).probes == "corruption"


def test_an_unknown_evaluation_is_refused():
    with pytest.raises(ValueError, match="Unknown evaluation 'everything'; known: quick, usual, full, corruptions"):
        conditions.of("everything")


def test_a_condition_in_words():
    assert conditions.title_of("patch_scramble@4") == "Scrambled patches (4)"
    assert conditions.title_of("jpeg_compression@3") == "JPEG compression (3)"
    assert conditions.title_of("silhouettes@1") == "Silhouettes", "one strength needs no figure"
    assert conditions.title_of("of_a_plugin@2") == "of_a_plugin@2", "a run of another machine is still read"
