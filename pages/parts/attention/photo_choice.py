"""The photo to inspect: an upload, a pasted or camera picture, or a bundled sample."""

import hashlib
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import streamlit as st
from PIL import Image

from kdcore import photos
from pages.parts import address, engine, formatting
from pages.parts.attention import framing, kept_uploads, samples, shared_photos
from pages.parts.attention.opening import RULE
from pages.parts.components import pictures
from pages.parts.components.photo_paste.photo_paste import photo_paste
from pages.parts.components.photo_strip.photo_strip import photo_strip
from pages.parts.roles import role
from pages.parts.server.uploads import refusal

TAKEN = 12  # images from clipboard and camera, the newest
READ = 64  # decoded uploads in memory, 1.7 MB each: fewer, and a large batch would be decoded again for every click
FEW = 3  # refusals that are shown at once
IDS = "photo_ids"  # in the session: the ids of photos in the address, by their file
PERTURBATION = "poke"  # of the photo, in the address
UPLOADED = "own"  # in the address: the visit had photos of its own
PICKED = shared_photos.PHOTO  # the choice, in the address; in the session for when the page is opened again without one


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo to choose.

    digest: a hash of its pixels.
    dataset: the dataset of a sample, whose networks fit it; empty for other photos.
    sample: it is bundled.
    true: its class, where that is known.
    whole: all of the photo, where `pixels` is a square of it.
    notes: remarks about it: what was changed when it was read, or a sample's source.
    """

    id: str
    name: str
    pixels: np.ndarray
    digest: str
    thumbnail: str
    notes: tuple[str, ...] = ()
    dataset: str = ""
    sample: bool = False
    true: str = ""
    whole: np.ndarray | None = None

    @property
    def shareable(self) -> bool:
        """Whether another browser has it too, so that a link shows it."""
        return self.sample or self.id.startswith(shared_photos.PREFIX)


class Waiting(str):
    """Why a photo is not read yet; it is read when the page runs again later."""


def offer_photos() -> tuple[list[Shown], list[str]]:
    """Take uploads. Returns all photos to choose from, uploads before samples, and the reason of each refused or waiting file."""
    files = kept_uploads.uploader(
        "Your photos, one or many",
        help="JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF; HEIC where pillow-heif is installed. They stay in this computer's "
        "memory, until you remove them or close the page.",
    )
    if why := refusal(role.visit()):
        st.warning(f"An upload was refused. {formatting.as_text(why)}", icon=":material/block:")
    read = {file.id: _read(file.id, file.name, file.raw) for file in files}
    outcomes = list(read.values())
    with st.container(horizontal=True):  # side by side on a phone too
        if raw := photo_paste():
            outcomes += keep("pasted", raw)
        folded = st.popover(
            "Take a photo", icon=":material/photo_camera:", width="stretch", key="camera-open", on_change="rerun"
        )
    with folded:
        if folded.open and (shot := st.camera_input("Take a photo", label_visibility="collapsed")):
            outcomes += keep("camera", shot.getvalue())
    taken = {key: _read(key, name, lambda raw=raw: raw) for key, (name, raw) in _taken().items()}
    outcomes += taken.values()
    if not outcomes and UPLOADED in st.query_params:
        st.caption(
            ":material/info: Your own photos are not here any more: a reload, a link or another window begins a visit without them. "
            "Upload them again."
        )
    refused = [type(outcome)(formatting.as_text(outcome)) for outcome in outcomes if isinstance(outcome, str)]
    kept_uploads.offer_removal(len(outcomes), _forget_taken)

    uploads, fresh = _told_apart(read | taken)
    offered = [*uploads, *map(_shared, shared_photos.opened()), *map(_sample, samples.found())]
    if fresh:
        wanted = st.query_params.get(PICKED)
        stands_in = wanted is not None and all(each.id != wanted or each.id in fresh for each in offered)
        pick(fresh[0], keep_view=stands_in)
    return offered, refused


def _told_apart(read: dict[str, Shown | str]) -> tuple[list[Shown], list[str]]:
    """The photos of files, by the file, each with an id of its own, and the ids of those that are new.

    A file whose pixels another one has too gets a number after the hash. It keeps it while others come, go and change places.
    """
    ids: dict[str, str] = st.session_state.setdefault(IDS, {})
    for gone in ids.keys() - read.keys():
        del ids[gone]
    photos_here = {file: photo for file, photo in read.items() if isinstance(photo, Shown)}
    fresh = [file for file in photos_here if file not in ids]
    given = set(ids.values())
    for file in fresh:
        first = photos_here[file].id
        numbered = (f"{first}-{number}" for number in itertools.count(2))
        ids[file] = next(each for each in itertools.chain([first], numbered) if each not in given)
        given.add(ids[file])
    return [replace(photo, id=ids[file]) for file, photo in photos_here.items()], [ids[file] for file in fresh]


def take(name: str, pixels: np.ndarray) -> None:
    """Add an image uint8 [H, W, 3] to the visitor's photos; the next run of the page chooses it."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    keep(name, packed.getvalue())


def _taken() -> dict[str, tuple[str, bytes]]:
    """Pasted, camera and opened images of this visit: id -> name, and JPEG or PNG."""
    taken: dict[str, tuple[str, bytes]] = st.session_state.setdefault("taken_photos", {})
    return taken


def _forget_taken() -> None:
    """Remove pasted, camera and opened images, and the choice of one."""
    st.session_state.pop("taken_photos", None)
    st.session_state.pop(PICKED, None)
    address.put({UPLOADED: ""})


def keep(name: str, raw: bytes) -> list[Shown | str]:
    """Add an image file to those of this visit; the next run of the page chooses it. Where it is too large, why."""
    if len(raw) > photos.MAX_MIB * 2**20:
        return [_read(f"{len(raw)} bytes", name, lambda: raw)]
    taken = _taken()
    taken[f"taken-{hashlib.sha256(raw).hexdigest()[:16]}"] = (name, raw)
    while len(taken) > TAKEN:
        taken.pop(next(iter(taken)))
    return []


def show_refused(refused: list[str], taken: int) -> None:
    """Each refused file and why; many are folded, so that the photos stay in sight. Those that wait are not refused."""
    waiting = [each for each in refused if isinstance(each, Waiting)]
    refused = [each for each in refused if not isinstance(each, Waiting)]
    if waiting:
        show_waiting(waiting)
    if not refused:
        return
    if len(refused) <= FEW:
        st.warning("  \n".join(refused), icon=":material/broken_image:")
        return
    rest = "the others were added" if taken else "none was added"
    st.warning(
        f"{len(refused)} of {len(refused) + taken} files cannot be used; {rest}.", icon=":material/broken_image:"
    )
    with st.expander("Why, file by file"):
        st.markdown("\n".join(f"- {each}" for each in refused))


def show_waiting(waiting: list[Waiting]) -> None:
    """How many photos are not read yet, until when, and a button that reads them."""
    photos_are = "1 photo is" if len(waiting) == 1 else f"{len(waiting)} photos are"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"{photos_are} not read yet. {waiting[-1]}", icon=":material/hourglass_empty:")
        st.button("Read the rest", icon=":material/refresh:", key="read-waiting")


def choose_photo(offered: list[Shown], opening: Callable[[], str]) -> Shown | None:
    """The strip of all photos; returns the square that networks see of the chosen one; None where there are none.

    Args:
        opening: the id of the photo that is shown first, by the rule of `attention.opening`; empty for the first one.
    """
    if not offered:
        st.info("Upload a photo to begin: there are no samples here yet.", icon=":material/add_photo_alternate:")
        return None
    wanted = _wanted()
    chosen = next((each for each in offered if each.id == wanted), None)
    if chosen is None and wanted is None:
        chosen = _first(offered, opening())
    photo_strip(offered, chosen.id if chosen else "", pick)
    if chosen is None:
        shared_photos.explain_missing(wanted or "")
        return None
    return _framed(chosen)


def _first(offered: list[Shown], opening: str) -> Shown:
    """The photo that is shown before one is chosen; that of the rule says so."""
    by_rule = next((each for each in offered if each.id == opening), None)
    if by_rule is not None:
        return replace(by_rule, notes=(*by_rule.notes, RULE))
    return next((each for each in offered if each.shareable), offered[0])


def _wanted() -> str | None:
    """The photo in the address. Where the page was opened without one, the last one of this visit, unless Back or Forward led here."""
    wanted = st.query_params.get(PICKED)
    if wanted is None and address.restored_by_history():
        st.session_state.pop(PICKED, None)
    elif wanted is None and PICKED in st.session_state:
        wanted = str(st.session_state[PICKED])
        address.put({PICKED: wanted} | ({UPLOADED: "yes"} if st.session_state.get(IDS) else {}))
    elif wanted is not None:
        st.session_state[PICKED] = wanted
    return wanted


def _framed(chosen: Shown) -> Shown:
    """The photo with the pixels that networks see, and what they see in words."""
    frame = framing.current()
    remarks = " ".join((*chosen.notes, framing.in_words(chosen.pixels, frame))).strip()
    with st.container(horizontal=True, vertical_alignment="center"):
        if remarks:
            st.caption(formatting.as_text(remarks), width="stretch")
        framing.offer(chosen.pixels)
    return framed_as(chosen, frame)


def framed_as(chosen: Shown, frame: framing.Square | str) -> Shown:
    """The photo with a part of it as its pixels; networks take the middle square by themselves."""
    if frame == framing.MIDDLE:
        return chosen
    square = framing.framed(chosen.pixels, frame)
    return replace(chosen, pixels=square, digest=_digest(square), whole=chosen.pixels)


def pick(photo_id: str, *, keep_view: bool = False) -> None:
    """Choose another photo, without the perturbation and the crop of the last one, unless it is the photo that an address lacked."""
    st.session_state[PICKED] = photo_id
    view = {} if keep_view else {PERTURBATION: "", framing.PARAMETER: ""}
    own = {UPLOADED: "yes"} if photo_id.startswith(shared_photos.OWN) else {}
    address.put({PICKED: photo_id, shared_photos.REMOVE: ""} | own | view)


def _read(photo_id: str, name: str, raw: Callable[[], bytes]) -> Shown | str:
    """The photo, or why it is refused; cached, except for the refusal that too many are being read."""
    try:
        return _decoded(photo_id, name, raw)
    except photos.Busy as reason:
        return Waiting(reason)


@st.cache_data(max_entries=READ, show_spinner=False)
def _decoded(photo_id: str, name: str, _raw: Callable[[], bytes]) -> Shown | str:
    try:
        photo = engine.read_upload(_raw(), name, side=samples.SIDE, wanted=_still_here)
    except photos.Busy:
        raise
    except photos.BadPhoto as reason:
        return str(reason)
    return _shown(shared_photos.OWN + _digest(photo.pixels)[:16], photo)


def _still_here() -> bool:
    """Reading the session is where Streamlit ends a script whose tab is closed or that restarts: it raises here."""
    st.session_state.get(PICKED)
    return True


def of_address(photo_id: str) -> Shown | None:
    """The sample or shared photo of an address; None for a visitor's own, and for one that is gone."""
    if found := shared_photos.of_address(photo_id):
        return _shared(found)
    return next((_sample(each) for each in samples.found() if each.id == photo_id), None)


def sample_of(dataset: str, true: str) -> Shown | None:
    """The sample of a class; None where there is none."""
    return next((_sample(each) for each in samples.found() if (each.dataset, each.true) == (dataset, true)), None)


@lru_cache(maxsize=64)
def _sample(sample: samples.Sample) -> Shown:
    notes = (sample.credit,) if sample.credit else ()
    shown = _shown(sample.id, samples.read(sample.path))
    return replace(shown, name=sample.name, dataset=sample.dataset, sample=True, true=sample.true, notes=notes)


def _shared(found: tuple[str, str, np.ndarray]) -> Shown:
    photo_id, name, pixels = found
    return _shown(photo_id, photos.Photo(pixels, *reversed(pixels.shape[:2]), name))


def _shown(photo_id: str, photo: photos.Photo) -> Shown:
    thumbnail = pictures.data_url(framing.framed(photo.pixels, framing.MIDDLE), side=168)
    return Shown(photo_id, photo.name, photo.pixels, _digest(photo.pixels), thumbnail, photo.notes)


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes() + str(pixels.shape).encode()).hexdigest()
