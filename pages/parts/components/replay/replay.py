"""A run replayed in the browser: accuracy and the maps of pinned images on one scrubber, which all charts of a page share.

What is known when the page is drawn is sent with it, so that playing, scrubbing and pointing need no request; what an active
run adds comes from `/api/runs/ID/moments`.
"""

from typing import Any

import numpy as np

from pages.parts.address import Number, Settings
from pages.parts.components import pictures
from pages.parts.components.loading import component, sent

PACKED = 8  # times a map's average, the end of the scale of its bytes; the colours may end before it
SETTINGS = Settings(epoch=Number(None, 0, 1e6))  # where the cursor rests; none is the newest moment
ENDED: dict[str, Any] = {
    "id": "", "version": "", "since": -1, "active": False, "words": "", "marks": [], "packed": PACKED, "stage": False, "plays": True,
    "settings": "", "knobs": False,
}  # fmt: skip

_component = component("replay")


def draw(data: dict[str, Any], key: str) -> None:
    """Draw data as `runs.moments` makes it of a run's probes; the Attention page makes it of a photo, without what a run adds."""
    epochs = data["epochs"]
    data = (
        ENDED
        | {"places": list(range(len(epochs))), "end": max(epochs, default=1), "now": max(epochs, default=0)}
        | data
    )
    if data["in_address"]:
        data = data | {"start": SETTINGS.read(), "usual": SETTINGS.usual()}
    _component(key=key, data=data, on_looked_change=lambda: SETTINGS.remember(sent(key, "looked", dict)))


def network(name: str, densities: np.ndarray, probabilities: np.ndarray, *, still: bool) -> dict[str, Any]:
    """A network's maps and predictions.

    densities: [frames, images, H, W], see `pictures.density`.
    probabilities: [frames, images, classes].
    still: it never changes, so that its one frame is that of all moments.
    """
    probabilities = np.nan_to_num(probabilities)
    return {
        **named(name),
        "still": still,
        "grid": densities.shape[-2:],
        "frames": len(densities),
        "maps": pictures.packed(densities, PACKED),
        "answers": probabilities.argmax(-1).ravel().tolist(),
        "sure": (100 * probabilities.max(-1)).round().astype(int).ravel().tolist(),
    }


def named(name: str) -> dict[str, str]:
    return {"name": name, "title": name.capitalize(), "colour": pictures.colour(name)}
