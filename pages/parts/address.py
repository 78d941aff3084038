"""The address holds what a view shows: settings are checked when they are read, and written only where they differ from the usual.

Widgets of Streamlit do this themselves, with `key=NAME, bind="query-params"`. This is for everything else: components, and
choices that open something. Nothing in the session may win over the address, or Back would not restore what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LONGEST = 500  # characters of a value; a longer one is ignored, and not written
MOST_VALUES = 100  # of one name


@dataclass(frozen=True)
class Choice:
    """One of some words; the first is the usual one."""

    words: tuple[str, ...]

    @property
    def usual(self) -> str:
        return self.words[0]

    def read(self, text: str) -> str | None:
        return text if text in self.words else None


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; what lies outside is taken as the nearest of them. usual: may be None, for none."""

    usual: float | None
    low: float
    high: float

    def read(self, text: str) -> float | None:
        try:
            value = float(text) if len(text) <= 32 else math.nan
        except ValueError:
            return None
        return min(max(value, self.low), self.high) if math.isfinite(value) else None


@dataclass(frozen=True)
class Flag:
    """Yes or no. A name whose usual is True is written as `no`."""

    usual: bool = False

    def read(self, text: str) -> bool | None:
        return {"yes": True, "no": False}.get(text)


@dataclass(frozen=True)
class Word:
    """Any text of at most `longest` characters, for names that the page looks up; it is shown only escaped."""

    usual: str = ""
    longest: int = LONGEST

    def read(self, text: str) -> str | None:
        return text if text and len(text) <= self.longest and text.isprintable() else None


Setting = Choice | Number | Flag | Word


class Settings:
    """The settings of a component: `read()` goes to the component as `start`, `remember` takes what it reports."""

    def __init__(self, **settings: Setting) -> None:
        self.settings = settings

    def read(self) -> dict[str, Any]:
        """From the address; the usual value of what is missing or not valid."""
        found = {}
        for name, setting in self.settings.items():
            value = setting.read(st.query_params.get(name, ""))
            found[name] = setting.usual if value is None else value
        return found

    def remember(self, reported: Mapping[str, Any] | None) -> None:
        """Into the address, as far as valid. What has its usual value is removed, so that addresses stay short."""
        values: dict[str, str] = {}
        for name, setting in self.settings.items():
            given = (reported or {}).get(name)
            value = None if given is None else setting.read(written(given))
            values[name] = "" if value is None or value == setting.usual else written(value)
        put(values)

    def usual(self) -> dict[str, Any]:
        return {name: setting.usual for name, setting in self.settings.items()}


def restored_by_history() -> bool:
    """Whether this run of the page was caused by Back or Forward: then what the address lacks is not to be shown."""
    context = get_script_run_ctx(suppress_warning=True)
    return bool(getattr(context, "is_history_navigation", False))


def written(value: Any) -> str:
    """As `shared/address.js` writes it: both must agree, or the browser's history gets an entry for each change."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.6g}"
    return str(value)


def put(values: Mapping[str, str | Iterable[str]]) -> None:
    """Write names into the address, all at once, as one step of the browser's history; an empty value removes its name.

    A value that is too long removes its name too: the link then shows the usual, never something else.
    """
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    new = dict(now)
    for name, value in values.items():
        texts = [text for text in ([value] if isinstance(value, str) else value) if text][:MOST_VALUES]
        if texts and all(len(text) <= LONGEST for text in texts):
            new[name] = texts
        else:
            new.pop(name, None)
    removed = [name for name in now if name not in new]
    changed = {name: texts for name, texts in new.items() if texts != now.get(name)}
    if removed or changed:
        # One message to the browser, so one step of its history: it leaves out names without a value.
        st.query_params.update(changed | dict.fromkeys(removed, ()))
    for name in removed:
        del st.query_params[name]
