"""Messages about a recipe's keys are shown where their field is, with its label."""

import pytest

from pages.parts.train import fields


@pytest.mark.parametrize(
    "message, section",
    [
        ("`data.batch_size` is 1, and the student normalises over a batch", "length"),
        ("inception_v3 does not take images of 32 px: set `data.image_size` to 299", "data"),
        ("`terms.0.method`: unknown method 'kdd'", "terms"),
        ("`student.model`: there is no network 'resnet888'", "networks"),
        ("`lr.warmup_epochs` (2) must be less than `epochs` (1)", "length"),
        ("choose 10 to 3,600, or `all`", None),
        ("There are no weights", None),
    ],
)
def test_the_first_key_decides_the_section(message, section):
    assert fields.section_of(message) == section


def test_a_field_is_named_once_and_what_has_none_is_in_the_text():
    told = fields.labelled(
        "`epochs` and `epochs`, `terms.1.weight`, `seeds.0`, `student.options`, `optimizer.name`, `all`"
    )
    assert told == (
        "`epochs` (Epochs) and `epochs`, `terms.1.weight` (Weight), `seeds.0` (Seeds), `student.options` "
        "(in the full recipe (YAML) below), `optimizer.name` (in the full recipe (YAML) below), `all`"
    )
