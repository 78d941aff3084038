"""Values of widgets as a browser sends them: one that its widget cannot have counts as none, with a line in the log.

A page sends none; a forged message does: a number for a text, what is no option, a file with another ending than the field takes.
Streamlit 1.67 raises on some of them, before the page or in it, and hands others to the page.
"""

import json
import logging
from typing import Any

from streamlit.runtime.state.common import user_key_from_element_id
from streamlit.runtime.state.session_state import Serialized, Value, WStates

NUMBERS = frozenset({"int_value", "double_value"})  # a field of numbers sends either
CHOSEN, JSON = "string_array_value", "json_value"  # options of a widget with several; the state of a component

logger = logging.getLogger(__name__)

_get = WStates.__getitem__


def check() -> None:
    """Let all visits' widgets refuse values that they cannot have."""
    WStates.__getitem__ = _checked  # type: ignore[method-assign]


def _checked(states: WStates, widget: str) -> Any:
    sent, known = states.states.get(widget), states.widget_metadata.get(widget)
    if not isinstance(sent, Serialized) or known is None:
        return _get(states, widget)
    kind = sent.value.WhichOneof("value")
    try:
        if kind in (None, known.value_type) or {kind, known.value_type} <= NUMBERS:
            if kind == JSON:
                _check_state(sent.value.json_value)
            value = _get(states, widget)
            if kind == CHOSEN:
                states.get_serialized(widget)  # raises for what is no option
            return value
        why = f"a {kind} instead of a {known.value_type}"
    except Exception as error:  # whatever a widget raises for what it cannot read
        why = f"{type(error).__name__} when it was read"
    logger.warning("A browser's value of the widget %r was dropped: %s.", user_key_from_element_id(widget), why)
    nothing = known.deserializer(None)
    states.states[widget] = Value(nothing)
    return nothing


def _check_state(text: str) -> None:
    """Raises ValueError where a component's state is a text, which Streamlit would read as JSON once more, and log what fails."""
    if isinstance(json.loads(text), str):
        raise ValueError("a text instead of a state")
