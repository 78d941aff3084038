"""Maps over a test split: a survey that runs a step at a time, and the images on which two networks' maps differ most."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from kdcore.errors import NotAllowed, UserError
from pages.parts import engine, formatting
from pages.parts.attention import agreement_by_class, networks
from pages.parts.components.gallery_cards import gallery_cards

if TYPE_CHECKING:
    from kdcore.inspection import Choice
    from kdcore.inspection.gallery import Survey

    OpenImage = Callable[[str, np.ndarray], None]

IMAGES = (100, 200, 300, 500)
CARDS = 12  # at first, and so many more each time
GOING, SHOWN = "gallery-going", "gallery-shown"  # in the session: the survey that is running, how many cards are shown
EVERY = "Every class"
ORDERS = {False: "Most different first", True: "Most similar first"}


class RunningSurvey:
    """A survey that runs a step at a time; shared by all visitors who choose the same."""

    def __init__(self, begin: Callable[[], Iterator[Survey]]) -> None:
        self._begin = begin
        self._steps: Iterator[Survey] | None = None
        self._lock = threading.Lock()
        self.found: Survey | None = None

    @property
    def done(self) -> bool:
        return self.found is not None and len(self.found) == self.found.total

    def step(self) -> None:
        """One more batch of images. Raises UserError where a network has no such map, or images are missing."""
        with self._lock:
            if self.done:
                return
            self._steps = self._steps or self._begin()
            try:
                self.found = next(self._steps)
            except NotAllowed:  # a visitor has to wait; the survey goes on afterwards
                raise
            except Exception:
                self._steps = None  # the next try starts again
                raise


def show(chosen: dict[str, Choice], map_name: str | None, open_image: OpenImage | None = None) -> None:
    """The gallery of these networks.

    Args:
        chosen: heading -> network; the first is what one of the others is compared with.
        map_name: the map of both; None for each network's own.
        open_image: gets a name and the pixels of an image that is clicked; the page then runs again.
    """
    if len(chosen) < 2:
        st.info(
            "Choose at least two networks to compare.",
            icon=":material/info:",
        )
        return
    first, *others = chosen
    with st.container(horizontal=True, vertical_alignment="bottom"):
        other = others[0]
        if len(others) > 1:
            picked = st.segmented_control(
                f"Compare the {formatting.as_text(first.lower())} with",
                others,
                default=other,
                required=True,
                key="gallery-with",
                bind="query-params",
                format_func=formatting.as_text,
            )
            other = picked or other
        count = st.selectbox("Test images", IMAGES, 1, key="gallery-images", bind="query-params", width=120)
        running, key = _survey(chosen[first], chosen[other], map_name, count)
        going = st.session_state.get(GOING) == key and not running.done
        if going:
            st.button("Stop", icon=":material/stop:", on_click=st.session_state.pop, args=(GOING, None))
        elif not running.done:
            label = "Continue the comparison" if running.found else f"Compare on {count} images"
            st.button(label, type="primary", icon=":material/grid_view:", on_click=_go, args=(key,))
    st.caption(f"{_map_title(map_name)}. A map that explains a class explains the predicted one.")
    st.fragment(_body, run_every="200ms" if going else None)(running, key, first, other, chosen, open_image, going)


def _go(key: str) -> None:
    st.session_state[GOING] = key
    st.session_state[SHOWN] = CARDS


def _survey(teacher: Choice, student: Choice, map_name: str | None, count: int) -> tuple[RunningSurvey, str]:
    """The survey of these two networks, as far as it has run, and its key."""
    versions = [
        str(engine.store().checkpoint(networks.family(c.reference)[0]) if c.kind == "run" else "")
        for c in (teacher, student)
    ]
    key = "|".join((teacher.reference, student.reference, *versions, str(map_name), str(count)))
    return _cached(key, teacher.reference, student.reference, map_name, count), key


@st.cache_resource(max_entries=6, show_spinner=False)
def _cached(key: str, _teacher: str, _student: str, _map_name: str | None, _count: int) -> RunningSurvey:
    return RunningSurvey(lambda: engine.survey(_teacher, _student, map_name=_map_name, at_most=_count))


def _body(
    running: RunningSurvey,
    key: str,
    first: str,
    other: str,
    chosen: dict[str, Choice],
    open_image: OpenImage | None,
    going: bool,
) -> None:
    """One step while the survey runs, and the results so far."""
    if going:
        try:
            running.step()
        except UserError as error:
            st.session_state.pop(GOING, None)
            st.warning(formatting.message(str(error)), icon=":material/image_not_supported:")
            return
        if running.done:
            st.rerun()  # the whole page, so that it stops refreshing
    found = running.found
    if found is None:
        if going:
            st.progress(0.0, "Loading the networks and the images")
        return
    if going:
        st.progress(len(found) / found.total, f"{len(found)} of {found.total} images")
    elif not running.done:
        st.caption(f"Stopped after {len(found)} of {found.total} images; the results below are of these.")
    cards, by_class = st.tabs(
        [":material/grid_view: Images", ":material/table_rows: By class"],
        key="gallery-tab",
        on_change="rerun",
        bind="query-params",
    )
    with cards:
        _cards(found, key, first, other, chosen, open_image)
    with by_class:
        agreement_by_class.show(found, first, other)


def _cards(
    found: Survey, key: str, first: str, other: str, chosen: dict[str, Choice], open_image: OpenImage | None
) -> None:
    places = _chosen_places(found, first, other)
    if not len(places):
        st.info("No image matches.", icon=":material/filter_alt_off:")
        return
    shown = st.session_state.get(SHOWN, CARDS)
    picked = gallery_cards.draw(found, places[:shown], (first, other), clickable=open_image is not None)
    if picked is not None and open_image is not None:
        name, pixels = _picture(found, picked, next(iter(chosen.values())), chosen[other])
        open_image(name, pixels)
        st.rerun()
    st.caption(
        f"Equal colours are equal shares of a map, in all cards. Yellow: {gallery_cards.scale(found, places[:shown])} times the map's average "
        "or more. The distance is the Jensen-Shannon divergence of the two maps: 0 for the same map, 0.69 for nothing in common."
    )
    missing = int((~np.isfinite(found.agreement["js"])).sum())
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(places) > shown:
            st.button(f"Show {min(CARDS, len(places) - shown)} more", on_click=_more, args=(shown,))
        text = f"{min(shown, len(places))} of {len(places)} images"
        st.caption(text + (f"; {missing} more have no map of one network" if missing else ""))


def _chosen_places(found: Survey, first: str, other: str) -> np.ndarray:
    """The images to show, in their order: as chosen by widgets, which are drawn with the number of images of each outcome."""
    from kdcore.inspection.gallery import OUTCOMES, ranked

    words = dict(zip(OUTCOMES, ("All predictions", "Both right", f"Only the {first.lower()} right", f"Only the {other.lower()} right", "Both wrong"), strict=True))  # fmt: skip
    numbers = {outcome: len(ranked(found, outcome=outcome)) for outcome in OUTCOMES}
    with st.container(horizontal=True):
        most_similar = st.selectbox(
            "Order", list(ORDERS), format_func=ORDERS.get, key="gallery-order", bind="query-params", width=200
        )
        outcome = st.selectbox(
            "Predictions",
            OUTCOMES,
            format_func=words.__getitem__,
            key="gallery-answers",
            bind="query-params",
            width=240,
        )
        label = st.selectbox("Class", [EVERY, *found.classes], key="gallery-class", bind="query-params", width=160)
    counts = ", ".join(f"{words[each].lower()}: {numbers[each]}" for each in OUTCOMES[1:])
    st.caption(formatting.as_text(counts.capitalize()))
    places = ranked(found, most_similar=most_similar, outcome=outcome)
    return places if label == EVERY else places[found.targets[places] == found.classes.index(label)]


def _more(shown: int) -> None:
    st.session_state[SHOWN] = shown + CARDS


def _picture(found: Survey, place: int, teacher: Choice, student: Choice) -> tuple[str, np.ndarray]:
    """An image of the split in its own size, and its name."""
    pixels = engine.test_image(student.reference, int(found.places[place]), at_most=found.total)
    return f"{found.classes[found.targets[place]]}, test image {found.places[place]}", pixels


def _map_title(map_name: str | None) -> str:
    return networks.maps()[map_name].title if map_name else "Each network's own map"
