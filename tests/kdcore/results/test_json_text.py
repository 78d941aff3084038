import json
import math

import pytest

from kdcore.results import json_text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null_at_any_depth(number):
    value = {"loss": number, "losses": [1.5, number], "metrics": {"pair": (number, "nan"), "count": 3}}
    assert json.loads(json_text.text(value)) == {
        "loss": None, "losses": [1.5, None], "metrics": {"pair": [None, "nan"], "count": 3},
    }  # fmt: skip


def test_finite_values_are_written_as_json_writes_them():
    value = {"a": [1, 2.5, None, True, "é"], "b": {}}
    assert json_text.text(value) == json.dumps(value)
    assert json_text.text(value, indent=2) == json.dumps(value, indent=2)
