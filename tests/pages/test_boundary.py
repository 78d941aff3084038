"""What a visitor sees of an exception that nobody caught, wherever it was raised."""

import logging
import re

import pytest
from streamlit.testing.v1 import AppTest

import app
from kdcore.errors import RecipeError
from pages.parts import boundary

pytestmark = pytest.mark.usefixtures("bugs_are_meant")

CALM = re.compile(r"Something went wrong here\. The log has the details under ([0-9a-f]{6})\.")


def page(place: str, kind: str) -> None:
    import streamlit as st

    from kdcore.errors import RecipeError

    def fail() -> None:
        if kind == "UserError":
            raise RecipeError("epochs should be 1 or more, not 0.")
        if kind == "stop":
            st.stop()
        if kind == "rerun":
            if "again" not in st.session_state:
                st.session_state.again = True
                st.rerun()
            return
        raise {"KeyError": KeyError, "ValueError": ValueError}[kind]("of a library")

    st.title("Before")
    if place == "callback":
        st.button("press", on_click=fail)
    if place == "fragment":
        st.fragment(fail)()
    if place == "script":
        fail()
    st.caption("After")


def opened(place: str, kind: str) -> AppTest:
    test = AppTest.from_function(page, args=(place, kind), default_timeout=120).run()
    return test.button[0].click().run() if place == "callback" else test


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("place", ["script", "fragment", "callback"])
@pytest.mark.parametrize("kind", ["KeyError", "ValueError"])
def test_a_bug_is_one_calm_sentence_and_its_traceback_is_in_the_log(place, kind, caplog):
    test = opened(place, kind)
    (shown,) = test.error
    number = CALM.fullmatch(shown.value)[1]
    assert not test.exception
    (record,) = logged(caplog)
    assert number in record.getMessage()
    assert record.name == "kdcore"
    assert record.exc_info[0].__name__ == kind
    assert "of a library" in logging.Formatter().formatException(record.exc_info)


@pytest.mark.parametrize("place", ["script", "fragment", "callback"])
def test_an_error_that_the_visitor_can_fix_is_shown_as_it_is(place, caplog):
    test = opened(place, "UserError")
    assert [each.value for each in test.error] == ["epochs should be 1 or more, not 0."]
    assert not test.exception
    assert not logged(caplog)


@pytest.mark.parametrize("kind", ["stop", "rerun"])
def test_stopping_and_running_again_are_no_errors(kind, caplog):
    test = opened("script", kind)
    assert not test.error
    assert not logged(caplog)
    assert [each.value for each in test.caption] == (["After"] if kind == "rerun" else [])


def test_what_was_drawn_before_a_failing_fragment_stays_and_the_rest_is_drawn(caplog):
    test = opened("fragment", "UserError")
    assert [each.value for each in test.title] == ["Before"]


def test_the_app_hands_the_boundary_to_every_session():
    assert app.app._on_script_error is boundary.show


def test_streamlit_itself_logs_no_second_traceback(capfd):
    from streamlit.error_util import handle_user_script_exception

    handle_user_script_exception(RecipeError("epochs should be 1 or more."), lambda error: True)
    assert capfd.readouterr().err == ""


def failing() -> None:
    from kdcore.errors import UserError

    raise UserError("There is no folder /home/ada/birds. See [this](http://evil.example).")


def test_a_message_to_a_visitor_names_no_path_and_has_no_markup(visiting):
    test = AppTest.from_function(failing, default_timeout=120).run()
    assert test.error[0].value == "There is no folder birds. See \\[this\\](http:/\u2060/evil.example)."
