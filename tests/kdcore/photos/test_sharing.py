"""Shared photos: unguessable ids, an end date, limits, and nothing but pixels."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdcore.errors import UserError
from kdcore.photos import sharing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    return tmp_path / "shared-photos"


def photo(side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side + 2, 3), np.uint8)


def test_a_shared_photo_comes_back_to_the_pixel_under_a_random_id_without_metadata(folder):
    kept, _ = sharing.share(photo())
    pixels, until = sharing.read(kept.id)
    np.testing.assert_array_equal(pixels, photo())
    assert until == pytest.approx(time.time() + sharing.DAY, abs=5)
    assert sharing.ID.fullmatch(kept.id)
    assert kept.id != sharing.share(photo())[0].id
    line, _, packed = (folder / f"{kept.id}.photo").read_bytes().partition(b"\n")
    assert Image.open(io.BytesIO(packed)).info == {}
    assert b"name" not in line


def test_it_is_gone_after_its_end_date_and_its_file_too(folder, monkeypatch):
    kept, _ = sharing.share(photo(), days=3)
    now = time.time()
    monkeypatch.setattr(sharing.time, "time", lambda: now + 3.1 * sharing.DAY)
    with pytest.raises(UserError, match="its sharing has ended, it was removed, or it was shared on another server"):
        sharing.read(kept.id)
    assert sharing.listing() == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("photo_id", ["", "..", "../../recipe", "0" * 32, "A" * 32, "0" * 31 + "/", "<b>", "0" * 33])
def test_other_ids_are_no_paths_and_all_get_the_same_answer(photo_id):
    sharing.share(photo())
    with pytest.raises(UserError, match="is not on this server"):
        sharing.read(photo_id)


HEADER = b'{"until": %s, "key": "%s"}\n'


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b'{"until": "x", "key": "y"}\n', b"[1]\nPNG", b"\xff" * 100, b"[" * 100_000 + b"\n",
        HEADER % (b"1" + b"0" * 400, b"0" * 64), HEADER % (b"9" * 13, b"0" * 64), HEADER % (b"true", b"0" * 64),
        HEADER % (b"9999999999", "é".encode() * 64),
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_photo_that_is_gone(folder, content):
    kept, _ = sharing.share(photo())
    (folder / f"{kept.id}.photo").write_bytes(content)
    with pytest.raises(UserError, match="is not on this server"):
        sharing.read(kept.id)
    with pytest.raises(UserError, match="is not on this server"):
        sharing.remove(kept.id, "0" * 32)
    assert sharing.listing() == []


def test_its_sharer_removes_it_by_the_key_and_the_operator_without():
    (kept, key), (other, _) = sharing.share(photo()), sharing.share(photo())
    with pytest.raises(UserError, match="its key is not that of the photo. Ask the operator"):
        sharing.remove(kept.id, "0" * 32)
    sharing.remove(kept.id, key)
    sharing.remove(other.id, None)
    assert sharing.listing() == []


def test_number_bytes_days_and_size_are_limited(monkeypatch):
    with pytest.raises(UserError, match="shared for 1 to 30 days, not 31"):
        sharing.share(photo(), days=31)
    with pytest.raises(UserError, match="at most 768 pixels a side"):
        sharing.share(np.zeros((769, 3, 3), np.uint8))
    sharing.share(photo())
    monkeypatch.setattr(sharing, "MOST", 1)
    with pytest.raises(UserError, match="at most 1 shared photos and 200 MiB .* ask the operator to remove some"):
        sharing.share(photo())
    monkeypatch.setattr(sharing, "MOST", 5)
    monkeypatch.setattr(sharing, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="has no room for another"):
        sharing.share(photo())
    monkeypatch.setattr(sharing, "BYTES", 100)
    with pytest.raises(UserError, match="Crop it"):
        sharing.share(photo())


def test_visitors_leave_the_last_places_to_the_operator(monkeypatch):
    monkeypatch.setattr(sharing, "MOST", 10)
    for _ in range(9):
        sharing.share(photo(), by_operator=False)
    with pytest.raises(UserError, match="no room for another"):
        sharing.share(photo(), by_operator=False)
    sharing.share(photo())
    assert len(sharing.listing()) == 10


@pytest.mark.parametrize("shape", [(0, 0, 3), (5, 5), (5, 5, 4), (sharing.SIDE + 1, 5, 3)])
def test_what_is_no_photo_of_the_allowed_size_is_refused(shape):
    with pytest.raises(UserError, match=r"at most \d+ pixels a side, in three colours; this one has the shape"):
        sharing.share(np.zeros(shape, np.uint8))
