"""Speaker notes of the view that the presenter shows, the next view, and a clock."""

from collections.abc import Sequence

from pages.parts.components.loading import component
from pages.parts.engine.storyboard import View

KEY = "stage_notes"

_component = component(KEY)


def stage_notes(views: Sequence[View]) -> None:
    """Draw the notes; the browser requests which view is shown, without a rerun of the page."""
    _component(
        key=KEY, data={"views": [{"id": view.id, "caption": view.caption, "notes": view.notes} for view in views]}
    )
