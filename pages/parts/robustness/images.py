"""Images of a test set beside the originals, with every network's prediction and heatmap; those that only one gets right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import address, engine, formatting
from pages.parts.components import pictures
from pages.parts.components.gallery_cards import gallery_cards
from pages.parts.robustness.chosen import Chosen
from pages.parts.roles import role

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Gallery, Shown
    from pages.parts.robustness.closer import Closer

PER_PAGE = 6
IMAGES = 200  # that are looked through
SIDE = 144  # pixels of a picture
PAGE = "page-of-images"  # in the address; in the session what it is of
PLACE = address.Number(0, 0, IMAGES // PER_PAGE)
EXPORTED = 200  # images of a zip


def show(closer: Closer) -> None:
    chosen = closer.chosen
    with st.container(horizontal=True, vertical_alignment="bottom"):
        filters = filters_of(chosen)
        picked = st.selectbox("Predictions", list(filters), key="which", bind="query-params", width=320)
        export(closer)
    place = page_number((closer.condition, picked))
    try:
        with st.spinner("Computing predictions and heatmaps", show_time=True):
            found = page_of(closer, filters[picked], place)
    except UserError as error:
        st.warning(formatting.message(str(error)), icon=":material/image_not_supported:")
        return
    if not found.images:
        st.info(f"None of the {IMAGES} images that were looked through matches.", icon=":material/filter_alt_off:")
        return
    gallery_cards.mount(cards(found, chosen), key="robustness_cards")
    turn(found)
    st.caption(
        "Left the test image as it is, then perturbed; heatmaps are on the perturbed image, each of the network's own kind. Yellow: where "
        "the map is largest. ✓: the image's class is predicted, although the image is perturbed."
    )


def page_number(of: tuple[str, str]) -> int:
    """The page of images in the address; the first one where another set or filter was chosen."""
    before = st.session_state.get(PAGE, of)
    st.session_state[PAGE] = of
    if before != of and not address.restored_by_history():
        address.put({PAGE: ""})
    return int(PLACE.read(st.query_params.get(PAGE, "")) or 0)


def filters_of(chosen: Chosen) -> dict[str, dict[str, Any]]:
    """Label -> arguments of the gallery."""
    found: dict[str, dict[str, Any]] = {
        "All images": {"which": "any"},
        "Networks differ": {"which": "networks differ"},
        **{
            f"Only {chosen.name(each)} is right": {"which": "only this one right", "this": each}
            for each in chosen.references
        },
    }
    if len(chosen.roles) == 3:
        found["The student follows the teacher, the twin does not"] = {"which": "follows the teacher"}
    return found | {"All are right": {"which": "all right"}, "All are wrong": {"which": "all wrong"}}


def page_of(closer: Closer, choice: dict[str, Any], place: int) -> Gallery:
    """A page of images; remembered."""
    settings = choice | {"page": place, "per_page": PER_PAGE, "images": IMAGES}
    return _page(closer.condition, *closer.chosen.key, tuple(closer.chosen.roles.items()), settings)


@st.cache_data(max_entries=60, show_spinner=False)
def _page(
    condition: str, references: tuple[str, ...], versions: tuple[str, ...], roles: tuple[tuple[str, str], ...], settings: dict[str, Any]
) -> Gallery:  # fmt: skip
    return engine.images_of_test_set(references, condition, roles=dict(roles) or None, **settings)


def cards(found: Gallery, chosen: Chosen) -> list[dict[str, object]]:
    """As the component draws them."""
    densities = {(image.place, each): pictures.density(heat) for image in found.images for each, heat in image.heatmaps.items()}  # fmt: skip
    known = [each for each in densities.values() if each.any()]
    most = pictures.scale_for(known) if known else 1
    return [card(image, chosen, densities, most) for image in found.images]


def card(image: Shown, chosen: Chosen, densities: dict[tuple[int, str], np.ndarray], most: int) -> dict[str, object]:
    clean, perturbed = (pictures.enlarged(pixels, SIDE) for pixels in (image.clean, image.perturbed))
    return {
        "place": image.place,
        "label": image.target,
        "apart": f"texture of {image.texture}" if image.texture else "",
        "pictures": [
            {"who": who, "url": pictures.data_url(pixels, SIDE), "alt": f"{who}: a test image of class {image.target}"}
            for who, pixels in (("Original", clean), ("Perturbed", perturbed))
        ],
        "networks": [
            {
                "heading": heading,
                "colour": f"var(--st-{chosen.colour(reference)}-color)",
                "url": pictures.data_url(mapped(perturbed, densities.get((image.place, reference)), most), SIDE),
                "says": image.predictions[reference][0],
                "share": confidence(image.predictions[reference][1]),
                "right": image.right[reference],
            }
            for heading, reference in chosen.networks.items()
        ],
    }


def confidence(probability: float) -> str:
    return formatting.percent(probability, 0) if math.isfinite(probability) else "output is not a number"


def mapped(pixels: np.ndarray, density: np.ndarray | None, most: int) -> np.ndarray:
    """The map over the image, where there is one."""
    return pixels if density is None or not density.any() else pictures.over(pixels, density / most)


def turn(found: Gallery) -> None:
    """The pages of images."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, step in (("Previous", ":material/chevron_left:", -1), ("Next", ":material/chevron_right:", 1)):
            there = 0 <= found.page + step < found.pages
            st.button(
                label, icon=icon, disabled=not there, on_click=_go, args=(found.page + step,), key=f"images-{label}"
            )
        first = found.page * PER_PAGE + 1
        st.caption(
            f"{first} to {first + len(found.images) - 1} of {found.total} images that match, of {IMAGES} looked through"
        )


def _go(page: int) -> None:
    address.put({PAGE: str(page) if page else ""})


def export(closer: Closer) -> None:
    """The operator's: the set as PNG files in a zip."""
    if not role.is_operator():
        return
    networks, condition = closer.chosen.references, closer.condition
    st.download_button(
        "PNG files (ZIP)", role.of_this_visit(lambda: engine.export_test_set(networks, condition, images=EXPORTED)), f"{condition}.zip",
        "application/zip", icon=":material/folder_zip:", on_click="ignore", key="export-set",
        help=f"The first {EXPORTED} images of this test set, with a manifest.",
    )  # fmt: skip
