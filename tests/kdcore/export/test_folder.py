"""A run as a zip file, and back; a file from outside is checked like hostile input."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kdcore.errors import UserError
from kdcore.export import folder
from kdcore.paths import ASSETS
from kdcore.store import Store

RECORDING = next(path for path in (ASSETS / "runs").iterdir() if path.is_dir())
ID = RECORDING.name
Change = Callable[[dict[str, bytes]], dict[str, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one small run: that of the recording, with its first probes, and a file in place of weights."""
    store = Store(tmp_path / "runs")
    shutil.copytree(RECORDING, store.root / ID, ignore=shutil.ignore_patterns("*[1-9].npz"))
    (store.root / ID / "checkpoints").mkdir()
    (store.root / ID / "checkpoints" / "00000010.safetensors").write_bytes(b"weights")
    (store.root / ID / "folded.json").write_text("a cache")
    (store.root / ID / "batches.bin").write_bytes(b"losses of images")
    (store.root / ID / "checkpoints" / "link.safetensors").symlink_to("/etc/passwd")
    return store


def exported(store: Store, *, weights: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    folder.export_run(store, ID, file, weights=weights)
    return file


def test_another_store_shows_the_same_run(store, tmp_path):
    other = Store(tmp_path / "other")
    assert folder.import_run(other, exported(store)) == ID
    here, there = store.state(ID), other.state(ID)
    assert (there.results, there.name, there.step, there.status) == (here.results, here.name, here.step, here.status)
    assert other.recipe(ID) == store.recipe(ID)
    assert [path.name for path in other.root.iterdir()] == [ID]


@pytest.mark.parametrize("weights", [False, True])
def test_weights_are_a_choice_and_caches_and_links_stay_behind(store, weights):
    names = {name.removeprefix(f"{ID}/") for name in zipfile.ZipFile(exported(store, weights=weights)).namelist()}
    assert {"recipe.yaml", "events.jsonl", "batches.bin", "manifest.json"} <= names
    assert ("checkpoints/00000010.safetensors" in names) == weights
    assert not {name for name in names if "folded" in name or "link" in name}


def test_a_run_that_is_here_already_is_refused_and_another_with_its_id_keeps_its_place(store, tmp_path):
    file = exported(store)
    with pytest.raises(UserError, match="is here already, with the same events. Nothing was imported"):
        folder.import_run(store, file)
    with (store.root / ID / "events.jsonl").open("a") as events:
        events.write("{}\n")
    new = folder.import_run(store, file)
    assert new != ID
    assert Store(store.root).state(new).results == Store(tmp_path / "none", recorded=RECORDING.parent).state(ID).results


def test_an_active_run_is_not_exported(store, monkeypatch):
    state = store.state(ID)
    monkeypatch.setattr(type(store), "state", lambda *_: type("State", (), {**vars(state), "status": "running"}))
    with pytest.raises(UserError, match="is running: its files still change. Pause or stop it"):
        exported(store)


def remade(file: io.BytesIO, change: Change, *, listed: bool = True) -> io.BytesIO:
    """The zip with other entries; `listed`: its manifest says what they are."""
    entries = {entry.filename: zipfile.ZipFile(file).read(entry) for entry in zipfile.ZipFile(file).infolist()}
    entries = change(entries)
    if listed:
        import hashlib

        manifest = json.loads(entries[f"{ID}/manifest.json"])
        manifest["files"] = {
            name.removeprefix(f"{ID}/"): {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in entries.items() if not name.endswith("manifest.json")
        }  # fmt: skip
        entries[f"{ID}/manifest.json"] = json.dumps(manifest).encode()
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return new


def without(name: str) -> Change:
    return lambda entries: {key: value for key, value in entries.items() if not key.endswith(name)}


def with_file(name: str, content: bytes = b"x") -> Change:
    return lambda entries: entries | {name: content}


def changed(name: str) -> Change:
    """One byte of a file is another one."""
    return lambda entries: (
        entries | {f"{ID}/{name}": bytes([entries[f"{ID}/{name}"][0] ^ 1]) + entries[f"{ID}/{name}"][1:]}
    )


@pytest.mark.parametrize(
    ("change", "listed", "says"),
    [
        (with_file("/etc/cron.d/x"), True, "an entry that no run has: '/etc/cron.d/x'"),
        (with_file(f"{ID}/../../escaped.npz"), True, "an entry that no run has"),
        (with_file(f"{ID}/probes/..npz"), True, "an entry that no run has"),
        (with_file(f"{ID}/probes\\00000001.npz"), True, "an entry that no run has"),
        (with_file(f"{ID}/.writing"), True, "an entry that no run has"),
        (with_file(f"{ID}/folded.json"), True, "an entry that no run has"),
        (with_file(f"{ID}/probes/"), True, "an entry that no run has"),
        (with_file(f"{ID}/robustness/./a.npz"), True, "an entry that no run has"),
        (with_file(f"{ID}/probes/99999999.npz"), False, "files that its list does not name"),
        (without("events.jsonl"), False, "incomplete"),
        (without("recipe.yaml"), True, "incomplete"),
        (without("manifest.json"), False, "is not an exported run: it has .* 0 manifests. Expected a file made by"),
        (changed("events.jsonl"), False, "is damaged: events.jsonl is not as it was exported"),
        (with_file(f"{ID}/recipe.yaml", b"name: [1"), True, "a recipe that cannot be used"),
        (with_file(f"{ID}/manifest.json", b"[]"), False, "its manifest cannot be read"),
        (with_file(f"{ID}/manifest.json", b'{"format": 2}'), False, "a form that this version does not read"),
    ],
)  # fmt: skip
def test_what_no_export_makes_is_refused_and_leaves_nothing(store, tmp_path, change, listed, says):
    other = Store(tmp_path / "other")
    with pytest.raises(UserError, match=says):
        folder.import_run(other, remade(exported(store), change, listed=listed))
    assert not other.root.exists() or list(other.root.iterdir()) == []
    assert not (tmp_path / "escaped.npz").exists()


def test_a_file_that_would_become_far_larger_is_refused_before_it_is_unpacked(store, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST_RATIO", 2)
    file = remade(exported(store), with_file(f"{ID}/test.npz", b"\0" * 3 * 2**20))
    with pytest.raises(UserError, match="would unpack test.npz to 3,145,728 bytes. Nothing was imported"):
        folder.import_run(Store(tmp_path / "other"), file)


def test_links_and_encrypted_entries_are_refused(store, tmp_path):
    file = remade(exported(store), with_file(f"{ID}/label.json"))
    for change in (
        lambda entry: setattr(entry, "external_attr", 0o120777 << 16),
        lambda entry: setattr(entry, "flag_bits", 1),
    ):
        zipped = zipfile.ZipFile(file)
        change(zipped.getinfo(f"{ID}/label.json"))
        with pytest.raises(UserError, match="an entry that no run has"):
            folder._manifest(zipped, "It")


def relisted(file: io.BytesIO, change: Callable[[dict], None]) -> io.BytesIO:
    """The zip with another list of its files."""

    def in_place(entries: dict[str, bytes]) -> dict[str, bytes]:
        manifest = json.loads(entries[f"{ID}/manifest.json"])
        change(manifest["files"])
        return entries | {f"{ID}/manifest.json": json.dumps(manifest).encode()}

    return remade(file, in_place, listed=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.update({"manifest.json": 5}),
        lambda files: files.update({"manifest.json": {"size": 1, "sha256": ""}}),
        lambda files: files["events.jsonl"].update(size=-2),  # as many bytes as there are
        lambda files: files["events.jsonl"].update(size=10**400),
        lambda files: files["events.jsonl"].update(size=True),
        lambda files: files["events.jsonl"].update(sha256=None),
        lambda files: files.update({"events.jsonl": []}),
    ],
)
def test_a_list_that_no_export_makes_is_refused_before_anything_is_unpacked(store, tmp_path, monkeypatch, change):
    monkeypatch.setattr(folder, "_take", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(UserError, match="files that its list does not name. Export the run again"):
        folder.import_run(Store(tmp_path / "other"), relisted(exported(store), change))


@pytest.mark.parametrize(
    "names",
    [
        ("probes/a.npz", "probes/A.npz"),  # one file on a disk of macOS or Windows
        ("robustness/a.npz", "robustness/a.npz/b.npz"),
        ("robustness/A.npz", "robustness/a.npz/b.npz"),
    ],
)
def test_names_that_collide_are_refused(store, tmp_path, names):
    file = remade(exported(store), lambda entries: entries | {f"{ID}/{name}": b"x" for name in names})
    with pytest.raises(UserError, match="has two files of one name, or a file and a folder. Nothing was imported"):
        folder.import_run(Store(tmp_path / "other"), file)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_ways_of_compressing_that_no_export_uses_are_refused(store, tmp_path, method):
    new = io.BytesIO()
    with zipfile.ZipFile(exported(store)) as before, zipfile.ZipFile(new, "w", method) as zipped:
        for name in before.namelist():
            zipped.writestr(name, before.read(name))
    with pytest.raises(UserError, match="is compressed in a way that no export uses: .* Nothing was imported"):
        folder.import_run(Store(tmp_path / "other"), new)


def test_many_small_entries_may_not_become_far_larger_together(store, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST_RATIO", 4)
    many = {f"{ID}/probes/{place:08}.npz": bytes(2**20) for place in range(5)}
    file = remade(exported(store), lambda entries: entries | many)
    with pytest.raises(UserError, match="would unpack [0-9,]+ bytes to [0-9,]+. Nothing was imported"):
        folder.import_run(Store(tmp_path / "other"), file)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_zip_file_says_so(tmp_path, content):
    with pytest.raises(UserError, match="my.zip is no zip file, or a damaged one"):
        folder.import_run(Store(tmp_path), io.BytesIO(content), plain_name="my.zip")


def test_a_name_that_is_not_in_its_encoding_is_damage(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("\u00e9", b"x")  # with the flag of UTF-8
    raw = file.getvalue().replace("\u00e9".encode(), b"\xff\xff")
    with pytest.raises(UserError, match="my.zip is no zip file, or a damaged one .*can't decode byte 0xff"):
        folder.import_run(Store(tmp_path), io.BytesIO(raw), plain_name="my.zip")


def test_a_cut_or_changed_file_is_damaged(store, tmp_path):
    whole = exported(store).getvalue()
    middle = len(whole) // 3
    for content in (whole[:-30], whole[: len(whole) // 2], whole[:middle] + bytes(200) + whole[middle + 200 :]):
        with pytest.raises(UserError, match="damaged"):
            folder.import_run(Store(tmp_path / "other"), io.BytesIO(content))
