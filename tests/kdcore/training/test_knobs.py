"""A knob that is turned at a step equals, to the bit, a recipe whose schedule says so from that step on."""

import pytest

from kdcore.events import StepEnded, StepTaken
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built, digest

STEP = 3  # in the middle of the first of two epochs of 5 steps
FACTORS = [[1 + STEP / 5, 0.3]]
COSINE = {"cosine": [1.0, 0.2]}


def term(**changes) -> list[dict]:
    return [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0, "weight": 1.0, **changes}]


def losses(parts, knob: str = "") -> list[dict]:
    found = []
    for event in train(parts):
        if isinstance(event, StepEnded):
            found.append(event.losses)
        if knob and isinstance(event, StepTaken) and event.step == STEP:
            parts.knobs[knob] = 0.3
    return found


@pytest.mark.parametrize(
    "knob, recipe, scheduled",
    [
        ("weight/kd", {"terms": term()}, {"terms": term(weight={"scaled": {"schedule": 1.0, "factors": FACTORS}})}),
        (
            "temperature/kd",
            {"terms": term(temperature={"cosine": [4.0, 2.0]})},
            {"terms": term(temperature={"scaled": {"schedule": {"cosine": [4.0, 2.0]}, "factors": FACTORS}})},
        ),
        (
            "learning_rate",
            {"lr": {"shape": COSINE, "warmup_epochs": 1}, "terms": term()},
            {
                "lr": {"shape": {"scaled": {"schedule": COSINE, "factors": FACTORS}}, "warmup_epochs": 1},
                "terms": term(),
            },
        ),
    ],
    ids=["weight", "temperature", "learning-rate"],
)
def test_a_turned_knob_equals_a_schedule_with_a_jump(tiny, knob, recipe, scheduled):
    small = {"twin": False, "probes": {"images": 0, "budget": 0.0}}
    turned, jumping, untouched = (built(tiny(**{**small, **each})) for each in (recipe, scheduled, recipe))
    found, expected, other = losses(turned, knob), losses(jumping), losses(untouched)
    assert found == expected
    assert digest(turned.student.distiller) == digest(jumping.student.distiller)
    assert found[: STEP + 1] == other[: STEP + 1] or knob != "learning_rate"
    assert found[STEP + 1 :] != other[STEP + 1 :]


def test_the_values_of_the_knobs_are_those_of_the_next_step(tiny):
    parts = built(tiny(terms=term(), twin=False, lr={"shape": "constant"}))
    assert parts.values() == {"learning_rate": 0.001, "weight/ce": 0.5, "weight/kd": 1.0, "temperature/kd": 2.0}
    parts.knobs |= {"weight/kd": 2.0, "temperature/kd": 1.5, "learning_rate": 0.5}
    assert parts.values() == {"learning_rate": 0.0005, "weight/ce": 0.5, "weight/kd": 2.0, "temperature/kd": 3.0}
