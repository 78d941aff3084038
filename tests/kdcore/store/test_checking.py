import json

import pytest

from kdcore.errors import UserError
from kdcore.events import RunPaused
from kdcore.store import checking

PAUSED = {**RunPaused(step=3).to_plain(), "time": 1e9}


def line(**changes: object) -> bytes:
    return json.dumps(PAUSED | changes).encode()


@pytest.mark.parametrize("step", [0, 3, 2**53])
def test_a_step_is_a_whole_number(step):
    assert checking.event(line(step=step))["step"] == step


@pytest.mark.parametrize("step", [-1, 2**53 + 1, 1.5, 1.0, True, "3", None, [3]])
def test_anything_else_is_no_step(step):
    with pytest.raises(UserError, match="step"):
        checking.event(line(step=step))
