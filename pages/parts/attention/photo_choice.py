"""The photo to inspect: an upload, a pasted or camera picture, or a bundled sample."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from kdcore import photos
from kdcore.data import datasets
from kdcore.paths import ASSETS
from pages.parts import engine, formatting
from pages.parts.attention import kept_uploads
from pages.parts.components import pictures
from pages.parts.components.photo_paste.photo_paste import photo_paste
from pages.parts.components.photo_strip.photo_strip import photo_strip
from pages.parts.roles import role
from pages.parts.server.uploads import refusal

SAMPLES = ASSETS / "samples"
SIDE = 768  # pixels of a photo: twice what is shown of it
TAKEN = 12  # images from clipboard and camera, the newest
READ = 64  # decoded uploads in memory, 1.7 MB each: fewer, and a large batch would be decoded again for every click
FEW = 3  # refusals that are shown at once
PERTURBATION = "poke"  # of the photo, in the address
PICKED = "photo"  # the choice: in the session, and a sample's also in the address


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo to choose.

    digest: a hash of its pixels.
    dataset: the dataset of a sample, whose networks fit it; empty for other photos.
    sample: it is bundled.
    true: its class, where that is known.
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
    read = [_read(file.id, file.name, file.raw) for file in files]
    with st.container(horizontal=True):  # side by side on a phone too
        if raw := photo_paste():
            read += _keep("pasted", raw)
        folded = st.popover(
            "Camera", icon=":material/photo_camera:", width="stretch", key="camera-open", on_change="rerun"
        )
    with folded:
        if folded.open and (shot := st.camera_input("Take a photo", label_visibility="collapsed")):
            read += _keep("camera", shot.getvalue())
    read += [_read(key, name, lambda raw=raw: raw) for key, (name, raw) in _taken().items()]
    refused = [type(outcome)(formatting.as_text(outcome)) for outcome in read if isinstance(outcome, str)]
    uploads = [outcome for outcome in read if isinstance(outcome, Shown)]
    kept_uploads.offer_removal(len(read), _forget_taken)

    seen = st.session_state.setdefault("seen_uploads", set())
    fresh = [upload.id for upload in uploads if upload.id not in seen]
    if fresh:
        seen.update(fresh)
        pick(fresh[0])
    samples = [sample(path) for path in sorted(SAMPLES.glob("*")) if path.suffix in (".png", ".jpg", ".webp")]
    return uploads + samples, refused


def take(name: str, pixels: np.ndarray) -> None:
    """Add an image uint8 [H, W, 3] to the visitor's photos; the next run of the page chooses it."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    _keep(name, packed.getvalue())


def _taken() -> dict[str, tuple[str, bytes]]:
    """Pasted, camera and opened images of this visit: id -> name, and JPEG or PNG."""
    taken: dict[str, tuple[str, bytes]] = st.session_state.setdefault("taken_photos", {})
    return taken


def _forget_taken() -> None:
    """Remove pasted, camera and opened images, and the choice of one."""
    st.session_state.pop("taken_photos", None)
    st.session_state.pop(PICKED, None)


def _keep(name: str, raw: bytes) -> list[Shown | str]:
    """Add it to the images of this visit; where it is too large, why."""
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


def choose_photo(offered: list[Shown]) -> Shown | None:
    """The strip of all photos; returns the chosen one, else the first, or None where there are none."""
    if not offered:
        st.info("Upload a photo to begin: there are no samples here yet.", icon=":material/add_photo_alternate:")
        return None
    wanted = st.session_state.get(PICKED) or st.query_params.get(PICKED)
    chosen = next((each for each in offered if each.id == wanted), offered[0])
    photo_strip(offered, chosen.id, pick)
    remarks = (*chosen.notes, *_cropped(chosen.pixels))
    if remarks:
        st.caption(formatting.as_text(" ".join(remarks)))
    return chosen


def _cropped(pixels: np.ndarray) -> list[str]:
    """That networks see a square only, of a photo that is none."""
    height, width = pixels.shape[:2]
    side, ends = ("upper and lower", height) if height > width else ("left and right", width)
    lost = 1 - min(height, width) / ends
    return (
        [f"Networks see the middle square: {100 * lost:.0f} % of the photo, at its {side} ends, is cut off."]
        if lost >= 0.01
        else []
    )


def pick(photo_id: str) -> None:
    """Choose another photo, without the perturbation of the last one."""
    st.query_params.pop(PERTURBATION, None)
    st.session_state[PICKED] = photo_id
    if (SAMPLES / photo_id).is_file():
        st.query_params[PICKED] = photo_id
    else:
        st.query_params.pop(PICKED, None)  # an upload is in no other browser


def _read(photo_id: str, name: str, raw: Callable[[], bytes]) -> Shown | str:
    """The photo, or why it is refused; cached, except for the refusal that too many are being read."""
    try:
        return _decoded(photo_id, name, raw)
    except photos.Busy as reason:
        return Waiting(reason)


@st.cache_data(max_entries=READ, show_spinner=False)
def _decoded(photo_id: str, name: str, _raw: Callable[[], bytes]) -> Shown | str:
    try:
        photo = engine.read_upload(_raw(), name, side=SIDE, wanted=_still_here)
    except photos.Busy:
        raise
    except photos.BadPhoto as reason:
        return str(reason)
    return _shown(photo_id, photo)


def _still_here() -> bool:
    """Reading the session is where Streamlit ends a script whose tab is closed or that restarts: it raises here."""
    st.session_state.get(PICKED)
    return True


@lru_cache(maxsize=64)
def sample(path: Path) -> Shown:
    photo = photos.read(path.read_bytes(), path.name, side=SIDE)
    first, _, true = path.stem.partition("-")
    dataset = first if first in datasets.names() else ""
    name = path.stem.replace("-", " ").replace("_", " ")
    return replace(_shown(path.name, photo), name=name, dataset=dataset, sample=True, true=true)


def _shown(photo_id: str, photo: photos.Photo) -> Shown:
    digest = hashlib.sha256(photo.pixels.tobytes() + str(photo.pixels.shape).encode()).hexdigest()
    thumbnail = pictures.data_url(_middle(photo.pixels), side=168)
    return Shown(photo_id, photo.name, photo.pixels, digest, thumbnail, photo.notes)


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The square that the networks see."""
    side, (height, width) = min(pixels.shape[:2]), pixels.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
