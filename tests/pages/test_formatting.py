import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.recipe import DataRecipe, ModelRecipe, Recipe
from kdcore.results.comparison import Figure
from kdcore.store import ACTIVE, RESUMABLE, RunState
from pages.parts import formatting

RECIPE = Recipe(student=ModelRecipe(model="tiny"))
RUN = RunState(id="a", name="a")


@pytest.mark.parametrize(
    "seconds, words",
    [(0.4, "0 s"), (41, "41 s"), (104, "1 min 44 s"), (120, "2 min"), (7500, "2 h 5 min"), (93_600, "1 day 2 h"),
     (200_000, "2 days 7 h"), (59.7, "1 min"), (2280, "38 min")],
)  # fmt: skip
def test_durations_are_read_at_a_glance(seconds, words):
    assert formatting.duration(seconds) == words


def test_numbers_are_short():
    assert [formatting.count(n) for n in (24_570, 2_812_000, 1.2e9)] == ["24,570", "2.81 million", "1.2 billion"]
    assert formatting.points(-0.00001) == "+0.0"
    assert formatting.gap(Figure(0.123, 0.098, 0.147)) == "+12.3  (+9.8 to +14.7)"
    assert formatting.gap(Figure(-0.05)) == "−5.0"
    assert formatting.interval(Figure(0.62, 0.58, 0.66)) == "58.0 to 66.0 %"
    assert formatting.interval(Figure(0.62)) == formatting.interval(Figure(0.9, 0.9, 0.9)) == ""
    assert [formatting.percent(each) for each in (0.62, 0.0006, 0.0004, 0.0)] == ["62.0 %", "0.1 %", "< 0.1 %", "0.0 %"]
    assert formatting.percent(0.004, 0) == "< 1 %"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("-0.19", "−0.19"),
        ("0.19", "0.19"),
        ("-0.00", "0.00"),
        ("+0.00", "+0.00"),
        ("-1.2e-07", "−1.2e-07"),
        ("-inf", "−inf"),
    ],
)
def test_a_negative_number_has_a_minus_sign_and_zero_none(number, shown):
    assert formatting.minus(number) == shown


def test_what_may_be_negative_is_written_with_a_minus_sign():
    from kdcore.results import measures
    from kdcore.results.bias.measures import error_consistency
    from pages.parts.attention import agreement, agreement_by_class, trust

    consistency = next(each for each in measures.MEASURES if each.key == "error_consistency")
    assert (
        consistency.text(-0.19)
        == error_consistency.text(-0.19)
        == agreement_by_class._number(-0.19)
        == trust._signed(-0.19)
        == "−0.19"
    )
    assert agreement.signed(-0.19) == "−0.19"
    assert [formatting.percent(share, 0) for share in (-0.12, -0.0001)] == [
        "−12 %",
        "0 %",
    ]  # as a share of the way may be


def test_a_day_is_named_where_it_is_not_today():
    now = time.time()
    assert formatting.when(now).startswith("today")
    assert "today" not in formatting.when(now - 2 * 86400)


def test_the_setting_names_the_number_of_labels():
    few = replace(RUN, train_images=4000, labelled_images=500)
    assert "500 of 4,000 training images are labelled; the others have no label" in formatting.setting(RECIPE, few)
    everything = replace(few, labelled_images=4000)
    assert formatting.setting(RECIPE, everything) == "All 4,000 training images are labelled."


def test_the_setting_names_the_shortcut_and_the_twin():
    recipe = Recipe(student=ModelRecipe(model="tiny"), data=DataRecipe(texture_agreement=0.9), twin=True)
    words = formatting.setting(recipe, replace(RUN, train_images=4000, labelled_images=4000))
    assert "In 90 % of them the texture agrees with the shape, which is a shortcut." in words
    assert "same initial weights, same batches" in words


def test_progress_is_one_line():
    run = replace(
        RUN, status="running", step=200, steps=496, epoch=3.2, epochs=8, images_per_second=271.4, seconds_left=63.0
    )
    assert formatting.progress(run) == "Epoch 3.2 of 8 · step 200 of 496 · 271 images/s · 1 min 3 s left"
    assert formatting.progress(RUN) == "Waiting for the first step"


@pytest.mark.parametrize(("since", "after", "shown"), [(60, 0, True), (0, 0, False), (60, 1, False)])
def test_progress_shows_the_last_note_of_a_silent_run(since, after, shown):
    """Only if the note is the last event, and not at once, so that nothing flickers."""
    said = time.time() - since
    note = {"time": said, "text": "Compiling the networks.", "level": "info"}
    run = replace(RUN, status="running", step=13, steps=496, epoch=0.2, epochs=8, updated=said + after, notes=(note,))
    assert formatting.progress(run) == "Epoch 0.2 of 8 · step 13 of 496" + shown * " · Compiling the networks."


def test_every_status_has_its_words():
    assert {"created", "damaged", "finished", *ACTIVE, *RESUMABLE} == set(formatting.STATUS)


@pytest.mark.parametrize(
    "size, said", [(412, "0.41 kB"), (45_800, "46 kB"), (1_500_000, "1.5 MB"), (165e6, "165 MB"), (3.3e9, "3.3 GB")]
)
def test_disk_space(size, said):
    assert formatting.disk(size) == said


def test_axes_and_legends_write_percentages_as_the_text_beside_them_does():
    """`80 %`; Vega's own format leaves the space out."""
    own = re.compile(r'"(axis|legend)": *\{"format": *"[^"]*%"')
    pages = Path(formatting.__file__).parent
    assert [file.name for file in pages.rglob("*.py") if own.search(file.read_text())] == []
    assert formatting.percent(0.8, 0).removeprefix("80").strip() in formatting.PERCENT_LABEL
