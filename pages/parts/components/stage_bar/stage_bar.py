"""Who presents, the presenter's menu and keys, and how windows move from view to view."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pages.parts.components.loading import component, sent
from pages.parts.engine.storyboard import View
from pages.parts.page_table import addresses
from pages.parts.roles.windows import Request

KEY = "stage_bar"
Role = Literal["presenter", "operator", "lent", "visitor"]

_component = component(KEY)


def stage_bar(
    role: Role,
    *,
    shared: bool,
    secret: str,
    requests: Sequence[Request],
    views: Sequence[View],
    on_act: Callable[[dict[str, Any]], None],
) -> None:
    """Draw the bar of a window.

    Args:
        role: "lent" is a window that handed its control to another one.
        shared: others can reach the app.
        secret: by which the window is recognised after a reload; empty for one that only watches.
        on_act: gets what was done, an object with `what`, before the page runs again. It comes from a browser: check it.
    """
    shown = [
        {"id": view.id, "address": view.address, "caption": view.caption, "cursor": view.cursor, "scroll": view.scroll}
        for view in views
    ]
    _component(
        key=KEY,
        data={
            "role": role, "shared": shared, "secret": secret, "pages": list(addresses()), "views": shown,
            "requests": [{"id": each.id, "name": each.name} for each in requests],
        },
        on_act_change=lambda: on_act(sent(KEY, "act", dict)),
    )  # fmt: skip
