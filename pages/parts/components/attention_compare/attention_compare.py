"""A photo with the maps of up to three networks; the others are compared with the first.

Pointing, opacity, threshold, colours, zoom, swipe and difference are handled in the browser. The server gets edits of the
photo (`poke`), and settings, which it puts into the address.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pages.parts import formatting
from pages.parts.address import Choice, Flag, Number, Settings
from pages.parts.components import pictures
from pages.parts.components.loading import component, sent

KEY = "attention_compare"
FIGURES: dict[str, tuple[str, Callable[[float], str], str]] = {
    # figure of kdcore.explain -> name, format, meaning
    "centred": ("Correlation", "{:.2f}".format, "Of the two maps, cell by cell. 1: the same. 0: no relation."),
    "iou@20": (
        "Overlap of hot spots",
        lambda share: f"{100 * share:.0f} %",
        "Intersection over union of the strongest fifth of each map. By chance 11 %.",
    ),
    "spearman": ("Rank correlation", "{:.2f}".format, "Spearman. 1: the cells in the same order. 0: no relation."),
    "cosine": ("Cosine", "{:.2f}".format, "1: the same map. Even unrelated maps are rarely below 0.5."),
    "js": ("JS divergence", "{:.2f} nats".format, "Jensen-Shannon. 0: the same map. 0.69: nothing in common."),
    "ssim": ("SSIM", "{:.2f}".format, "Structural similarity over 3 x 3 cells. 1: the same map."),
}
SHOWN = ("centred", "iou@20")  # under a picture; all of them are further down the page
SETTINGS = Settings(
    view=Choice(("side", "swipe")),
    point=Choice(("read", "follow", "cover", "blur")),
    opacity=Number(75.0, 0, 100),
    threshold=Number(0.0, 0, 100),
    colours=Choice(("viridis", "inferno", "cividis")),
    cells=Flag(),
)  # in the address
COVERING = Settings(
    **SETTINGS.settings | {"point": Choice(("cover", "blur", "read", "follow"))}
)  # where covering comes first

_component = component(KEY)


@dataclass(frozen=True)
class Near:
    """What each patch attends to or resembles: values [N, N] on a grid; `says` is its description."""

    values: np.ndarray
    grid: tuple[int, int]
    says: str


@dataclass(frozen=True)
class Look:
    """One network's map and predictions for the photo.

    heatmap: [H, W], any scale.
    predictions: class and probability, the likeliest first.
    before: class -> probability before the photo was changed; empty where it was not.
    agreement: with the first look's map, by the names of FIGURES; empty for the first look itself.
    """

    title: str
    network: str
    colour: str
    method: str
    heatmap: np.ndarray
    predictions: list[tuple[str, float]]
    agreement: dict[str, float]
    problem: str = ""  # why there is no map; the heatmap is then NaN
    before: dict[str, float] | None = None
    near: Near | None = None


def attention_compare(
    photo: np.ndarray,
    name: str,
    looks: list[Look],
    *,
    poke: str,
    poke_says: str,
    shareable: bool,
    on_poke: Callable[[str], None],
    on_share: Callable[[], None],
    settings: Settings = SETTINGS,
) -> None:
    """Draw the comparison.

    Args:
        photo: uint8 [H, W, 3]: the square that the networks see, with what was done to it.
        poke: what was done to it, as in the address; poke_says: in words.
        shareable: whether another browser has the photo too; else “Copy link” calls `on_share`.
        on_poke: gets what the visitor wants done, before the page runs again.
    """
    maps = [pictures.density(look.heatmap) for look in looks]
    most = pictures.scale_for(maps)
    near = [_rows(look.near) for look in looks if look.near]
    near_most = pictures.scale_for(near) if near else most
    _component(
        key=KEY,
        data={
            "photo": pictures.data_url(photo, side=640),
            "name": name,
            "most": most,
            "near_most": near_most,
            "looks": [_plain(look, values, most, near_most) for look, values in zip(looks, maps, strict=True)],
            "poke": poke,
            "poke_says": poke_says,
            "shareable": shareable,
            "start": settings.read(),
            "usual": settings.usual(),
        },
        on_poked_change=lambda: on_poke(sent(KEY, "poked", str) or ""),
        on_looked_change=lambda: settings.remember(sent(KEY, "looked", dict)),
        on_share_change=on_share,
    )


def where(heatmap: np.ndarray) -> str:
    """The part of the picture where a map is strongest, in words, for screen readers."""
    if not np.isfinite(heatmap).all():
        return ""
    row, column = np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)
    down, across = 3 * int(row) // heatmap.shape[0], 3 * int(column) // heatmap.shape[1]
    place = f"{('upper', 'middle', 'lower')[down]} {('left', 'centre', 'right')[across]}".replace(
        "middle centre", "centre"
    )
    return f"Strongest in the {place}."


def _plain(look: Look, values: np.ndarray, most: int, near_most: int) -> dict[str, object]:
    figures = [(name, written(key, look.agreement[key]), meaning)
               for key, (name, _, meaning) in FIGURES.items() if key in SHOWN and key in look.agreement]  # fmt: skip
    near = look.near and {
        "grid": look.near.grid, "says": look.near.says, "values": pictures.packed(_rows(look.near), near_most),
    }  # fmt: skip
    before = look.before or {}
    return {
        "title": look.title, "network": look.network, "colour": look.colour, "method": look.method, "problem": look.problem,
        "grid": values.shape, "values": pictures.packed(values, most), "agreement": figures, "near": near,
        "where": where(look.heatmap),
        "predictions": [(name, share, before.get(name)) for name, share in look.predictions],
    }  # fmt: skip


def _rows(near: Near) -> np.ndarray:
    """Each patch's map as multiples of its average: [N, N]."""
    return near.values / np.maximum(near.values.mean(axis=1, keepdims=True), 1e-12)


def written(key: str, value: float) -> str:
    form = FIGURES[key][1]
    return formatting.minus(form(value)) if np.isfinite(value) else "no map"
