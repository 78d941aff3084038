"""Photos that a visit shares by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdcore.errors import NotAllowed, UserError
from pages.parts.engine.guards import operators, visitors
from pages.parts.roles import quota
from pages.parts.roles import role as roles

if TYPE_CHECKING:
    from kdcore.photos.sharing import Kept


@visitors
def share_photo(pixels: Any, *, days: int) -> tuple[Kept, str]:
    """Keep the pixels uint8 [H, W, 3], made smaller where they must be. Returns the photo, and the key that removes it."""
    import numpy as np
    from PIL import Image

    from kdcore.photos import sharing

    quota.take_share()
    image = Image.fromarray(pixels)
    image.thumbnail((sharing.SIDE, sharing.SIDE))
    try:
        return sharing.share(np.asarray(image), days=days, by_operator=roles.is_operator())
    except OSError as error:
        raise UserError("The photo could not be kept: the disk of this server refuses it. Ask the operator.") from error


@visitors
def shared_photo(photo_id: str) -> tuple[Any, float]:
    """The pixels uint8 [H, W, 3] and the Unix time until which it is shared. Raises UserError where it is gone."""
    from kdcore.photos import sharing

    return sharing.read(photo_id)


@visitors
def remove_shared_photo(photo_id: str, key: str | None) -> None:
    """By the key of its sharer; the operator needs none. Raises NotAllowed, UserError."""
    from kdcore.photos import sharing

    if key is None and not roles.is_operator():
        raise NotAllowed("Only its sharer, by the link for removing it, and the operator can remove a shared photo.")
    sharing.remove(photo_id, key)


@operators("see the shared photos")
def shared_photos() -> list[Kept]:
    """All shared photos, the one that ends first at the start."""
    from kdcore.photos import sharing

    return sharing.listing()
