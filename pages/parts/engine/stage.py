"""The presenter's actions: hand over control, and change the storyboard."""

from __future__ import annotations

from pages.parts.engine import storyboard
from pages.parts.engine.guards import operators, visitors
from pages.parts.engine.storyboard import View
from pages.parts.roles import role
from pages.parts.roles.windows import Request


@visitors
def ask_for_control(name: str) -> None:
    """Raises NotAllowed where too many windows ask, or this one too often."""
    role.windows.ask(role.visit(), name)


@visitors
def take_control_back() -> None:
    """Raises NotAllowed for a window that did not enter the passcode."""
    role.windows.take_back(role.visit())


@operators("see who asks for control")
def control_requests() -> list[Request]:
    return role.windows.requests()


@operators("hand over control")
def grant_control(request_id: str) -> None:
    role.windows.grant(role.visit(), request_id)


@operators("decline requests")
def decline_control(request_id: str) -> None:
    role.windows.decline(request_id)


@operators("present")
def present_from_here() -> None:
    """Those who follow see this window's view from now on."""
    role.windows.present(role.visit())


@operators("see the storyboard")
def views() -> list[View]:
    return storyboard.load()


@operators("save views")
def add_view(address: str, caption: str, cursor: object = None, scroll: object = 0.0) -> View:
    return storyboard.add(address, caption, cursor, scroll)


@operators("change the storyboard")
def edit_view(view_id: str, caption: str, notes: str) -> None:
    storyboard.edit(view_id, caption, notes)


@operators("change the storyboard")
def move_view(view_id: str, by: int) -> None:
    storyboard.move(view_id, by)


@operators("change the storyboard")
def delete_view(view_id: str) -> None:
    storyboard.delete(view_id)
