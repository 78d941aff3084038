import pytest

from kdcore.errors import UserError
from kdcore.recipe.references import Bundled, Pretrained, RandomWeights, RunNetwork, WeightFile, parse


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("none", RandomWeights()),
        ("pretrained", Pretrained()),
        ("cues-teacher", Bundled("cues-teacher")),
        ("some/folder/weights.safetensors", WeightFile("some/folder/weights.safetensors")),
        ("~/old.PTH", WeightFile("~/old.PTH")),
        ("run:20260101-120000-ab12/teacher", RunNetwork("20260101-120000-ab12", "teacher")),
        ("run:20260101-120000-ab12/twin@1200", RunNetwork("20260101-120000-ab12", "twin", 1200)),
    ],
)
def test_a_reference_is_parsed_and_written_again(text, reference):
    assert parse(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize("text", ["run:ID", "run:ID/", "run:ID/student"])
def test_a_run_without_a_network_is_its_student(text):
    assert parse(text) == RunNetwork("ID")
    assert str(parse(text)) == "run:ID/student"


def test_pickles_are_recognised_by_their_suffix():
    assert WeightFile("teacher.pth").is_pickle
    assert not WeightFile("teacher.safetensors").is_pickle


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run:", "run: names no run: write run:ID/student"),
        ("run:/student", "run:/student names no run"),
        ("run:ID/studnet", "A run has no 'studnet'; it has student, twin, teacher."),
        ("run:ID/student@last", "run:ID/student@last should end in the number of a step, as in run:ID/student@1200."),
        (
            "",
            "no weights are named: write `none` (random weights), `pretrained`, the name of bundled weights, run:ID/student or the path",
        ),
        (" ", "no weights are named"),
        (
            "https://host/net.pth",
            "https://host/net.pth is an address, and weights are a file here: download it first. Then: write",
        ),
        ("s3://bucket/net.safetensors", "is an address"),
        ("run:ID/student@", "should end in the number of a step"),
        ("run:ID/student@²", "should end in the number of a step"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(text, message):
    with pytest.raises(UserError) as refused:
        parse(text)
    assert message in str(refused.value)
