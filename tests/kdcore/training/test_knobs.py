"""A knob that is turned at a step equals, to the bit, a recipe whose schedule says so from that step on."""

import pytest

from kdcore.errors import UserError
from kdcore.events import StepEnded, StepTaken
from kdcore.store.replay.adjustments import KEPT, as_schedules
from kdcore.training.loop import train
from tests.kdcore.training.test_loop import built, digest

STEP = 3  # in the middle of the first of two epochs of 5 steps
FACTORS = [[1 + STEP / 5, 0.3]]
COSINE = {"cosine": [1.0, 0.2]}


def term(**changes) -> list[dict]:
    return [{"method": "ce", "weight": 0.5}, {"method": "kd", "temperature": 2.0, "weight": 1.0, **changes}]


def losses(parts, *knobs: str) -> list[dict]:
    found = []
    for event in train(parts):
        if isinstance(event, StepEnded):
            found.append(event.losses)
        if isinstance(event, StepTaken) and event.step == STEP:
            parts.knobs |= dict.fromkeys(knobs, 0.3)
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


def test_the_changes_of_a_run_become_schedules_that_make_the_same_steps(tiny):
    small = {"twin": False, "probes": {"images": 0, "budget": 0.0}}
    recipe = tiny(**small, terms=term(), lr={"shape": COSINE, "warmup_epochs": 1})
    knobs = ("weight/kd", "temperature/kd", "learning_rate")
    changes = [{"knob": knob, "step": STEP, "before": 1.0, "factor": 0.3} for knob in knobs]
    scheduled = as_schedules(recipe, changes, dict.fromkeys(knobs, 0.3), steps_per_epoch=5)
    turned, repeated = built(recipe), built(scheduled)
    assert losses(turned, *knobs) == losses(repeated)
    assert digest(turned.student.distiller) == digest(repeated.student.distiller)


def test_a_factor_that_a_fork_began_with_counts_from_its_start(tiny):
    recipe = tiny(terms=term())
    change = {"knob": "learning_rate", "step": 7, "before": 0.5, "factor": 2.0}
    scheduled = as_schedules(recipe, [change], {"weight/kd": 3.0, "learning_rate": 2.0}, steps_per_epoch=5)
    assert scheduled.terms[1].weight == {"scaled": {"schedule": 1.0, "factors": [[1.0, 3.0]]}}
    assert scheduled.lr.shape["scaled"]["factors"] == [[1.0, 0.5], [2.4, 2.0]]


@pytest.mark.parametrize(
    ("changes", "factors", "words"),
    [
        ([], {}, "No setting was changed during this run"),
        ([{"knob": "learning_rate"}] * KEPT, {"learning_rate": 1.0}, "only the last 200 of them are stored"),
    ],
)
def test_changes_that_are_not_known_are_refused(tiny, changes, factors, words):
    with pytest.raises(UserError, match=words):
        as_schedules(tiny(terms=term()), changes, factors, steps_per_epoch=5)
