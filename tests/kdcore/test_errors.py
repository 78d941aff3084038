import re

import pytest

from kdcore.errors import BadPhoto, Busy, RecipeError, UserError, clipped, log_bug, shortened, shown, visible


def test_what_is_short_is_written_as_python_writes_it():
    for value in (3, -2.5, "many", {"lin": [3, 1]}, [1, (2,), None], b"ab", {}, float("nan")):
        assert shortened(value) == repr(value)


def test_what_is_long_loses_its_middle_or_its_end():
    assert shortened("a" * 10**6) == "'" + "a" * 37 + "..." + "a" * 38 + "'"
    assert shortened(list(range(10**5))) == "[0, 1, 2, 3, 4, 5, ...]"
    assert shortened({n: n for n in range(10**5)}) == "{0: 0, 1: 1, 2: 2, 3: 3, ...}"
    assert shortened(b"x" * 10**6).endswith("x'...")
    assert shortened(10**5000) == "a number of about 5,001 digits"
    assert len(shortened([["x" * 100] * 9] * 9)) <= 200
    assert clipped("/folder/" * 100, 20) == "/folder/.../folder/"


def test_what_holds_itself_is_written():
    value: list[object] = []
    value.append(value)
    assert shortened(value) == "[[[[[...]]]]]"


def test_an_error_of_the_user_is_shown_as_it_is(caplog):
    assert shown(RecipeError("epochs should be 1 or more, not 0.")) == "epochs should be 1 or more, not 0."
    assert not caplog.records


def test_a_bug_is_shown_by_the_number_that_finds_its_traceback_in_the_log(caplog):
    sentence = shown(ValueError("of a library"))
    number = re.fullmatch(r"Something went wrong here\. The log has the details under (\w{6})\.", sentence)[1]
    (record,) = caplog.records
    assert record.getMessage() == f"Bug {number}: ValueError"
    assert str(record.exc_info[1]) == "of a library"
    assert log_bug(KeyError("a")) != number


def test_busy_is_a_refused_photo_and_both_are_the_user_s():
    assert issubclass(Busy, BadPhoto)
    assert issubclass(BadPhoto, UserError)


@pytest.mark.parametrize("mark", ["\0", "\x1b", "\x07", "\x9b", "\n", "\u202e", "\u2066", "\ud800", "\u2028"])
def test_what_acts_on_a_terminal_or_is_no_unicode_is_a_space(mark):
    assert visible(f"a{mark}b") == "a b"
    visible(f"a{mark}b").encode()


@pytest.mark.parametrize("text", ["kd 0.9 → 0.2", "Größe, 学生, 👩‍🔬, é", "<b>$x$</b>", ""])
def test_of_a_text_what_a_reader_sees_stays(text):
    assert visible(text) == text
    assert visible(text, lines=True) == text


def test_a_note_keeps_its_lines():
    assert visible("one\r\n\ttwo\x1b[2J", lines=True) == "one\n\ttwo [2J"
