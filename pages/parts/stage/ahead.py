"""Preloads the storyboard's views: the next one while the presenter shows the one before, the others when it is opened."""

import logging
import threading
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from kdcore.errors import UserError
from pages.parts import engine
from pages.parts.attention import preload
from pages.parts.roles import role
from pages.parts.stage import address, editor
from pages.parts.stage.address import Address

LOADERS: Mapping[str, Callable[[Mapping[str, str]], None]] = {"attention": preload.preload}  # of the pages that compute
PRESENT = "present"  # in the address of a window that presents
MOST = 20  # views that are loaded before they are next: caches hold 60 maps, and a view has three

_busy = threading.Lock()  # one view at a time
_wanted: list[Address] = []  # to be loaded, the first one first; replaced by every page of the presenter's
_loaded: set[Address | None] = set()  # of this process, while they are in the storyboard
_log = logging.getLogger(__name__)


def prepare(page: str, *, opened: bool = False) -> None:
    """At the end of the presenter's page: load what comes after it, in the background; where no run trains, also the other views.

    opened: the storyboard is on the screen, so that all of its views count.
    """
    if not role.is_operator():
        return
    query = {name: value for name, value in st.query_params.items() if name not in address.NOT_OF_A_VIEW}
    opened = opened or editor.OPEN in st.session_state
    following, *others = in_order(page, query, presenting=opened or st.query_params.get(PRESENT) == "1") or [None]
    _loaded.intersection_update([following, *others])
    others = [] if engine.runner().active() else [each for each in others[:MOST] if each not in _loaded]
    _wanted[:] = [each for each in (following, *others) if each and each.page in LOADERS]
    if _wanted and _busy.acquire(blocking=False):
        thread = threading.Thread(target=_load, name="storyboard", daemon=True)
        add_script_run_ctx(thread, get_script_run_ctx(suppress_warning=True))  # with the role of this visit
        thread.start()


def in_order(page: str, query: Mapping[str, str], *, presenting: bool) -> list[Address | None]:
    """The storyboard's views in the order in which they will be wanted: what follows the one with this address, then those before
    it. All of them where presenting begins elsewhere; else none. The first is None after the last one."""
    try:
        views = [address.parse(each.address) for each in engine.views()]
    except UserError:  # the storyboard's editor says why
        return []
    here = next((place for place, each in enumerate(views) if each.page == page and _query(each) == query), None)
    if here is None:
        return [*views] if presenting else []
    return [*(views[here + 1 :] or [None]), *reversed(views[:here])]


def _query(view: Address) -> dict[str, str]:
    return dict(parse_qsl(view.query, keep_blank_values=True))


def _load() -> None:
    try:
        while _wanted:
            view = _wanted.pop(0)
            try:
                LOADERS[view.page](_query(view))
                _loaded.add(view)
            except UserError:
                pass  # the page says so when it is shown
            except Exception:
                _log.exception("A view of the storyboard could not be preloaded.")
    finally:
        _busy.release()
