"""Preloads the storyboard's next view while the presenter shows the one before, so that it appears at once."""

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
from pages.parts.stage import address
from pages.parts.stage.address import Address

LOADERS: Mapping[str, Callable[[Mapping[str, str]], None]] = {"attention": preload.preload}  # of the pages that compute
PRESENT = "present"  # in the address of a window that presents

_busy = threading.Lock()  # one view at a time
_log = logging.getLogger(__name__)


def prepare(page: str) -> None:
    """At the end of the presenter's page: load what comes after it, in the background."""
    if not role.is_operator():
        return
    query = {name: value for name, value in st.query_params.items() if name not in address.NOT_OF_A_VIEW}
    following = after(page, query, presenting=st.query_params.get(PRESENT) == "1")
    if following and following.page in LOADERS and _busy.acquire(blocking=False):
        thread = threading.Thread(target=_load, args=(following,), name="next view", daemon=True)
        add_script_run_ctx(thread, get_script_run_ctx(suppress_warning=True))  # with the role of this visit
        thread.start()


def after(page: str, query: Mapping[str, str], *, presenting: bool) -> Address | None:
    """The storyboard's view after the one with this address, or its first one where presenting begins elsewhere."""
    try:
        views = [address.parse(each.address) for each in engine.views()]
    except UserError:  # the storyboard's editor says why
        return None
    here = next((place for place, each in enumerate(views) if each.page == page and _query(each) == query), None)
    if here is None:
        return views[0] if views and presenting else None
    return views[here + 1] if here + 1 < len(views) else None


def _query(view: Address) -> dict[str, str]:
    return dict(parse_qsl(view.query, keep_blank_values=True))


def _load(view: Address) -> None:
    try:
        LOADERS[view.page](_query(view))
    except UserError:
        pass  # the page says so when it is shown
    except Exception:
        _log.exception("The next view could not be preloaded.")
    finally:
        _busy.release()
