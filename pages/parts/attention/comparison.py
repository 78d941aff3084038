"""The comparison on the Attention page: a photo, and each network's request and inspection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from kdcore.errors import UserError
from pages.parts import address, formatting, palette
from pages.parts.attention import form, networks, shared_photos
from pages.parts.attention.photo_choice import PERTURBATION, Shown
from pages.parts.components import pictures
from pages.parts.components.attention_compare.attention_compare import SETTINGS, Look, Near, attention_compare

if TYPE_CHECKING:
    from kdcore.inspection import Choice, Inspection


@dataclass
class ComparedPhoto:
    """chosen, requests, inspections: by heading (`Teacher`, `Student`, ...), the network that others are compared with first.

    map_name: the chosen map, None for each network's own.
    pixels, digest: the photo after the perturbation, which all sections further down are about.
    before: the inspections of the photo as it is; the same as `inspections` without a perturbation.
    """

    shown: Shown
    chosen: dict[str, Choice]
    map_name: str | None
    pixels: np.ndarray
    digest: str
    perturbation: str = ""
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    inspections: dict[str, Inspection] = field(default_factory=dict)
    before: dict[str, Inspection] = field(default_factory=dict)

    def role(self, heading: str) -> str:
        """Which network's colour it has."""
        return dict(zip(self.chosen, palette.NETWORKS, strict=False))[heading]

    def place(self, heading: str) -> dict[str, Any]:
        """The depth and head of a network's request."""
        return {name: value for name, value in self.requests[heading].items() if name in ("depth", "head")}


def set_up(shown: Shown, found: list[Choice]) -> ComparedPhoto:
    """Choose networks, map, class, layer and head, and inspect the photo. Shows why where a network gives no map."""
    controls = st.container(horizontal=True, key="map-choices")
    with controls:
        chosen = form.choose_networks(found, dataset=shown.dataset)
        map_name = form.choose_map()
    form.bring_networks()
    form.explain_missing_teacher(chosen)
    compared = _perturbed(shown, chosen, map_name, st.query_params.get(PERTURBATION, ""))
    first = inspect(compared, shown.pixels, shown.digest, dict.fromkeys(chosen, form.bare_request(map_name)), warn=True)
    cards = networks.maps()
    with controls:
        explains = any(cards[each.map_name].explains_class for each in first.values())
        classes = form.choose_class(first, shown.true) if explains else {}
        depth, head = form.choose_layer_and_head(list(first.values()))
    compared.requests = {h: form.request_for(each, map_name, depth, head, classes) for h, each in first.items()}
    _inspect_both(compared, warn=bool(classes))
    form.explain_lacking_classes(first, classes)
    name_counterparts(compared)
    return compared


def with_map(shown: Shown, chosen: dict[str, Choice], map_name: str) -> ComparedPhoto:
    """The comparison without its controls: this map of each network, of its own prediction."""
    return _with_bare_maps(_perturbed(shown, chosen, map_name, st.query_params.get(PERTURBATION, "")), warn=True)


def preload(shown: Shown, chosen: dict[str, Choice], map_name: str | None, perturbation: str) -> None:
    """Compute what `draw` needs, into the caches of `networks`, and show nothing."""
    compared = _with_bare_maps(_perturbed(shown, chosen, map_name, perturbation), warn=False)
    for heading in compared.inspections:
        near(compared, heading)


def _with_bare_maps(compared: ComparedPhoto, *, warn: bool) -> ComparedPhoto:
    compared.requests = dict.fromkeys(compared.chosen, form.bare_request(compared.map_name))
    _inspect_both(compared, warn=warn)
    return compared


def _perturbed(shown: Shown, chosen: dict[str, Choice], map_name: str | None, text: str) -> ComparedPhoto:
    """The photo with the perturbation of an address."""
    words = networks.canonical(text)
    pixels = networks.perturbed(shown.pixels, shown.digest, words) if words else shown.pixels
    return ComparedPhoto(shown, chosen, map_name, pixels, shown.digest + words, words)


def _inspect_both(compared: ComparedPhoto, *, warn: bool) -> None:
    """The photo as it is, and perturbed."""
    shown, requests = compared.shown, compared.requests
    compared.before = compared.inspections = inspect(compared, shown.pixels, shown.digest, requests, warn=warn)
    if compared.perturbation:
        compared.inspections = inspect(compared, compared.pixels, compared.digest, requests)


def inspect(
    compared: ComparedPhoto, pixels: np.ndarray, digest: str, requests: dict[str, dict[str, Any]], *, warn: bool = False
) -> dict[str, Inspection]:
    """The inspection by each network; where one fails, the others go on. `warn` shows why."""
    found = {}
    for heading, request in requests.items():
        choice = compared.chosen[heading]
        try:
            found[heading] = networks.inspect(pixels, digest, choice.reference, **request)
        except UserError as error:
            if warn:
                st.warning(
                    f"{formatting.as_text(choice.title)}: {formatting.message(str(error))}", icon=":material/warning:"
                )
    return found


def name_counterparts(compared: ComparedPhoto) -> None:
    """Which networks show another map than the chosen one, and why."""
    cards = networks.maps()
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for heading, each in compared.inspections.items():
        if each.instead_of:
            reasons.setdefault((each.instead_of, each.map_name, each.lacking), []).append(heading)
    for (wanted, shown, lacking), headings in reasons.items():
        st.caption(
            f"{cards[wanted].title} is not defined for {formatting.as_text(' and '.join(headings))}; {cards[shown].title} is shown instead. "
            f"Reason{' for each' if len(headings) > 1 else ''}: {formatting.as_text(lacking)}."
        )


def draw(compared: ComparedPhoto, settings: address.Settings = SETTINGS) -> None:
    attention_compare(
        next(iter(compared.inspections.values())).photo,
        compared.shown.name,
        looks(compared),
        poke=compared.perturbation,
        poke_says=networks.perturbation_in_words(compared.perturbation),
        shareable=compared.shown.shareable,
        on_poke=remember_perturbation,
        on_share=lambda: shared_photos.ask(
            compared.shown.pixels if compared.shown.whole is None else compared.shown.whole
        ),
        settings=settings,
    )
    shared_photos.offer()


def remember_perturbation(text: str) -> None:
    """Into the address."""
    address.put({PERTURBATION: networks.canonical(text)})


def looks(compared: ComparedPhoto) -> list[Look]:
    """Each network's column; all but the first with its agreement with the first one's map."""
    first, *_ = compared.inspections.values()
    return [
        Look(
            title=heading,
            network=each.title,
            colour=pictures.colour(compared.role(heading)),
            method=networks.map_title(each),
            heatmap=each.heatmap,
            predictions=each.predictions[:3],
            before=dict(compared.before[heading].predictions)
            if compared.perturbation and heading in compared.before
            else None,
            agreement={} if each is first else networks.agreement(first.heatmap, each.heatmap),
            problem=each.problem,
            near=near(compared, heading),
        )
        for heading, each in compared.inspections.items()
    ]


def near(compared: ComparedPhoto, heading: str) -> Near:
    """What every patch attends to or resembles, at the chosen depth."""
    found = networks.affinity(
        compared.pixels, compared.digest, compared.chosen[heading].reference, **compared.place(heading)
    )
    layer = "last layer" if found.layer is None else f"layer {found.layer + 1}"
    if not found.attends:
        return Near(found.values, found.grid, f"Places similar to this one, {layer}")
    head = "mean of heads" if found.head is None else f"head {found.head + 1}"
    return Near(found.values, found.grid, f"What this patch attends to, {layer}, {head}")


def list_classes(compared: ComparedPhoto) -> None:
    """The classes of the networks: a prediction is one of them, whatever the photo shows."""
    by_classes: dict[tuple[str, ...], list[str]] = {}
    for heading, each in compared.inspections.items():
        by_classes.setdefault(each.classes, []).append(heading)
    for classes, headings in by_classes.items():
        whose = "" if len(by_classes) == 1 else f"{formatting.as_text(' and '.join(headings))}: "
        named = formatting.as_text(", ".join(classes[:12])) + (", and others" if len(classes) > 12 else "")
        st.caption(
            f"{whose}{len(classes):,} classes: {named}. Each prediction is one of these, whatever the photo shows."
        )
