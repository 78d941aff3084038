"""A photo with the square that networks see: drag to move it, a slider for its size, or the whole photo."""

from collections.abc import Callable

import numpy as np

from pages.parts.components import pictures
from pages.parts.components.loading import component, sent

KEY = "photo_crop"
SIDE = 420  # pixels of the photo's longer side as it is drawn

_component = component(KEY)


def photo_crop(pixels: np.ndarray, frame: object, on_change: Callable[[str], None], *, smallest: float) -> None:
    """Draw the photo uint8 [H, W, 3]; `frame` prints as "x,y,size" or "whole", and `on_change` gets the next one.

    smallest: side of the smallest square as a fraction of the shorter side.
    """
    height, width = pixels.shape[:2]
    _component(
        key=KEY,
        data={
            "url": pictures.data_url(pixels, SIDE), "width": width, "height": height, "frame": str(frame),
            "smallest": smallest,
        },
        on_frame_change=lambda: on_change(sent(KEY, "frame", str) or ""),
    )  # fmt: skip
