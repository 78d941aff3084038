"""A photo and what up to three networks look at in it, side by side; the first network is what the others are compared with.

Opacity, threshold, colours and the probed place answer in the browser; the server only hears of new photos and maps.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from pages.parts import formatting, pictures

HERE = Path(__file__).parent
FIGURES = {  # of kdcore.explain's agreement -> name, how it is written, what it means
    "cosine": ("Cosine", "{:.2f}".format, "1: the same map. 0: nothing in common."),
    "spearman": ("Rank correlation", "{:.2f}".format, "Spearman. 1: the cells in the same order. 0: no relation."),
    "js": ("JS divergence", "{:.2f} nats".format, "Jensen-Shannon. 0: the same map. 0.69: nothing in common."),
    "iou@20": (
        "Overlap of hot spots",
        lambda share: f"{100 * share:.0f} %",
        "The fifth of the image that each looks at most: the part that is in both.",
    ),
}

_component = st.components.v2.component(
    "attention_compare",
    html=(HERE / "attention_compare.html").read_text(encoding="utf-8"),
    css=(HERE / "attention_compare.css").read_text(encoding="utf-8"),
    js=(HERE / "heat.js").read_text(encoding="utf-8") + (HERE / "attention_compare.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Look:
    """What one network makes of the photo.

    heatmap: [H, W], any scale.
    predictions: class and probability, the likeliest first.
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


def attention_compare(photo: np.ndarray, name: str, looks: list[Look]) -> None:
    """Draw the comparison. `photo` is uint8 [H, W, 3]: the square that the networks see."""
    maps = [pictures.density(look.heatmap) for look in looks]
    most = pictures.scale_for(maps)
    _component(
        key="attention_compare",
        data={
            "photo": pictures.data_url(photo, side=640),
            "name": name,
            "most": most,
            "against": f"Against the {looks[0].title.lower()}'s map",
            "looks": [_plain(look, values, most) for look, values in zip(looks, maps, strict=True)],
        },
    )


def _plain(look: Look, values: np.ndarray, most: int) -> dict[str, object]:
    figures = [
        (
            name,
            form(look.agreement[key]).replace("-", formatting.MINUS) if np.isfinite(look.agreement[key]) else "no map",
            meaning,
        )
        for key, (name, form, meaning) in FIGURES.items()
        if key in look.agreement
    ]
    return {
        "title": look.title, "network": look.network, "colour": look.colour, "method": look.method, "problem": look.problem,
        "grid": values.shape, "values": pictures.packed(values, most), "predictions": look.predictions, "agreement": figures,
    }  # fmt: skip


def explain_figures() -> None:
    """What the figures of agreement mean, in words, for whoever asks."""
    with st.expander("What the figures mean", icon=":material/help:"):
        st.markdown("\n".join(f"- **{name}**: {meaning}" for name, _, meaning in FIGURES.values()))
        st.markdown(
            "Two networks that both just look at the middle agree as well. Agreement says that they look at the same place, "
            "not that one learnt it from the other: compare with the twin, which never met the teacher."
        )
