"""A browser's value that its widget cannot have counts as none: no error, no traceback, a line in the log."""

import logging
import math

import pytest
from streamlit.components.v2.bidi_component.serialization import BidiComponentSerde
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import WStates
from streamlit.testing.v1 import AppTest

from pages.parts.server import uploads, values

values.check()
LONG = "x" * 5000
KINDS = {
    "text": lambda state: setattr(state, "string_value", LONG),
    "whole number": lambda state: setattr(state, "int_value", 10**15),
    "number": lambda state: setattr(state, "double_value", 1e300),
    "no number": lambda state: setattr(state, "double_value", math.nan),
    "truth": lambda state: setattr(state, "bool_value", True),
    "options": lambda state: state.string_array_value.data.extend(["no option", LONG]),
    "numbers": lambda state: state.double_array_value.data.extend([math.nan, 1e300]),
    "JSON": lambda state: setattr(state, "json_value", '{"a": [1'),
    "press": lambda state: setattr(state.string_trigger_value, "data", "x"),
    "file": lambda state: state.file_uploader_state_value.uploaded_file_info.add(file_id="gone", name=f"{LONG}.exe"),
    "file that is gone": lambda state: state.file_uploader_state_value.uploaded_file_info.add(file_id="gone", name="a.yaml"),
}  # fmt: skip


def page() -> None:
    import streamlit as st

    from pages.parts.server import uploads

    def take() -> None:
        assert uploads.file_of("file") is None

    st.text(st.text_input("text", "a", key="text").strip()[:9])
    st.text(f"{st.number_input('whole', 0, 9, 3, key='whole'):d}")
    st.text(f"{st.number_input('share', 0.0, 1.0, 0.5, key='share'):.2f}")
    st.text(f"{st.slider('slider', 0, 9, 3, key='slider'):d}")
    st.text({True: "on", False: "off"}[st.toggle("toggle", key="toggle")])
    st.text({"a": "A", "b": "B"}[st.selectbox("one", ["a", "b"], key="one")])
    st.text("".join(st.multiselect("some", ["a", "b"], ["a"], key="some")))
    st.text(
        {"a": "A", "b": "B", None: ""}[st.segmented_control("few", ["a", "b"], format_func={"a": "A", "b": "B"}.get)]
    )
    st.file_uploader("file", type=["yaml"], key="file", on_change=take)


def forged(test: AppTest, fill) -> AppTest:
    """The page after a message that gives each of its widgets the same value."""
    state = test.session_state._state._state
    sent = [WidgetState(id=widget) for widget in state._new_widget_state.widget_metadata]
    for each in sent:
        fill(each)
    return test._run(WidgetStates(widgets=sent))


@pytest.mark.parametrize("kind", KINDS)
def test_each_widget_gets_a_value_of_each_kind(kind, caplog):
    test = forged(AppTest.from_function(page, default_timeout=60).run(), KINDS[kind])
    assert not test.exception
    assert len(test.text) == 8, "the page was drawn to its end"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    dropped = [record for record in caplog.records if record.name == values.logger.name]
    assert len(dropped) >= 6, "each of them has another type"
    assert all(len(record.getMessage()) < 200 for record in dropped)


def test_a_value_that_fits_is_taken(caplog):
    test = AppTest.from_function(page, default_timeout=60).run()
    test.number_input[0].set_value(7)
    test.multiselect[0].set_value(["a", "b"])
    test.run()
    assert (test.text[1].value, test.text[6].value) == ("7", "ab")
    forged(
        test, lambda state: setattr(state, "int_value", 5) if "whole" in state.id else state
    )  # as a browser sends it
    assert test.text[1].value == "5"
    assert not [record for record in caplog.records if record.name == values.logger.name]


def test_a_file_is_read_where_there_is_one(monkeypatch):
    monkeypatch.setattr(uploads.st, "session_state", {"other": 3})
    assert uploads.file_of("other") is uploads.file_of("none") is None


@pytest.mark.parametrize("text", ['"{"', '"[1"', '"' + "[" * 100_000 + '"', "[" * 100_000, "{", '"\\ud800"'])
def test_a_component_s_state_that_is_no_json_or_a_text_of_it_leaves_one_line(text, caplog):
    serde = BidiComponentSerde(default={"a": 1})
    states = WStates()
    states.set_widget_metadata(WidgetMetadata("id", serde.deserialize, serde.serialize, "json_value"))
    states.set_widget_from_proto(WidgetState(id="id", json_value=text))
    assert dict(states["id"]) == {"a": 1}
    (record,) = caplog.records
    assert (record.name, record.exc_info) == (values.logger.name, None)
    states.set_widget_from_proto(WidgetState(id="id", json_value='{"a": 2}'))
    assert dict(states["id"]) == {"a": 2}
