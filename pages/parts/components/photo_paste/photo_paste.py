"""A photo pasted from the clipboard."""

import base64

from pages.parts.components.loading import component, of_kind

KEY = "photo_paste"

_component = component(KEY)


def photo_paste() -> bytes | None:
    """A picture that was pasted just now, as a JPEG file."""
    url = of_kind(_component(key=KEY, on_pasted_change=lambda: None).pasted, str)
    try:
        return base64.b64decode(url.partition("base64,")[2], validate=True) if url else None
    except ValueError:  # no base64, which no browser sends
        return None
