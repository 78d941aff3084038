"""The role of the current visit: the operator may do everything, everybody else watches.

A window on the server's own machine is the operator's while nobody else can reach the app. Otherwise a visit becomes the
operator's by the passcode. What is known of a visit stays in this process, outside `st.session_state`, under the id of its session.
"""

import contextlib
import functools
import ipaddress
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.parts.roles import exposure
from pages.parts.roles.passcode import Tries
from pages.parts.roles.windows import Windows

PROXY = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
    "cf-connecting-ip",
)
MOST_VISITS = 1000

R = TypeVar("R")

_acting: ContextVar[str] = ContextVar("acting", default="")
windows = Windows()  # those that operate by the passcode, or were handed control
_local: dict[str, bool] = {}  # whether a visit's connection came from this machine
_tries = Tries()


@contextlib.contextmanager
def acting_for(session: str) -> Iterator[None]:
    """A request beside the pages works for the visit whose page gave it its key: with the same role and quota."""
    token = _acting.set(session)
    try:
        yield
    finally:
        _acting.reset(token)


def visit() -> str:
    """The id of the session that this thread works for; empty outside of pages."""
    if session := _acting.get():
        return session
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def of_this_visit(make: Callable[[], R]) -> Callable[[], R]:
    """The same function for the current visit wherever it is called: Streamlit makes a download outside of pages."""
    session = visit()

    @functools.wraps(make)
    def made() -> R:
        with acting_for(session):
            return make()

    return made


def is_operator() -> bool:
    """Whether the current visit may do everything. Outside of pages nobody may."""
    return operates(visit())


def operates(session: str) -> bool:
    """Whether a visit may do everything, by the id of its session."""
    return bool(session) and (windows.operates(session) or (not exposure.is_open() and _is_local(session)))


def known_to_operate(session: str) -> bool:
    """The same from what the visit's pages have found out: for requests, which do not see how its browser is connected."""
    return bool(session) and (windows.operates(session) or (not exposure.is_open() and _local.get(session, False)))


def is_shared() -> bool:
    """Whether there are two roles at all: others can reach the app, or this visit comes from elsewhere."""
    return exposure.is_open() or not _is_local(visit())


def enter(typed: str) -> None:
    """Make this visit the operator's. Raises NotAllowed for a wrong passcode, or one that is tried too soon."""
    session = visit()
    _tries.check(session, typed)
    windows.enter(session)


def leave() -> None:
    """Make this visit a visitor's again."""
    windows.leave(visit())


def _is_local(session: str) -> bool:
    """Whether the visit's connection came from this machine, through no proxy. Read while the browser is connected."""
    if session not in _local:
        client = runtime.get_instance().get_client(session) if runtime.exists() else None
        if client is None or not hasattr(client, "client_context"):
            return False
        address = client.client_context.remote_ip
        _local[session] = _is_loopback(address) and not any(name in st.context.headers for name in PROXY)
        _forget_ended(_local)
    return _local[session]


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _forget_ended(visits: dict[str, bool]) -> None:
    if len(visits) > MOST_VISITS and runtime.exists():
        for session in [each for each in visits if not runtime.get_instance().is_active_session(each)]:
            visits.pop(session, None)
