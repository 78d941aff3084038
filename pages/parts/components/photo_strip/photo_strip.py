"""A strip of thumbnails to choose from."""

from collections.abc import Callable, Sequence
from typing import Protocol

from pages.parts.components.loading import component, sent

KEY = "photo_strip"

_component = component(KEY)


class Pictured(Protocol):
    """thumbnail: a small picture as a data URL."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def thumbnail(self) -> str: ...


def photo_strip(items: Sequence[Pictured], chosen: str, on_pick: Callable[[str], None]) -> None:
    """Draw the strip; `on_pick` gets the id of a picture that is clicked, before the page runs again."""
    plain = [{"id": item.id, "name": item.name, "url": item.thumbnail} for item in items]
    _component(
        key=KEY,
        data={"items": plain, "chosen": chosen},
        on_picked_change=lambda: on_pick(picked) if (picked := sent(KEY, "picked", str)) else None,
    )
