"""A run as one zip file, and back into a store. What comes from outside is checked before a file of it is kept."""

import hashlib
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from kdcore.errors import UserError, clipped
from kdcore.files import atomic, disk
from kdcore.runtime import versions
from kdcore.store import ACTIVE, Store
from kdcore.store.run_files import recipe_file
from kdcore.store.run_ids import RUN_ID

MANIFEST = "manifest.json"
FORMAT = 1
# What a run consists of. Locks and cached replays stay behind: every machine makes its own.
PLAIN = re.compile(
    r"recipe\.yaml|events\.jsonl|environment\.json|label\.json|test\.npz|batches\.bin|(probes|robustness(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,79})?)/[A-Za-z0-9._@-]{1,120}\.npz"
)
WEIGHTS = re.compile(r"teacher\.safetensors|(checkpoints|snapshots)/\d{1,16}\.safetensors")
MOST_FILES = 20_000
MOST_BYTES = 20 * 2**30  # with weights
MOST_PLAIN = 2 * 2**30  # of a file that is no weights
MOST_RATIO = 200  # of a compressed file's size, and of all together; events of a long run reach 30
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may take gigabytes of memory to unpack
CHUNK = 2**20


def file_name(run_id: str, *, weights: bool) -> str:
    return f"{run_id}{'-with-weights' if weights else ''}.zip"


def export_run(store: Store, run_id: str, to: BinaryIO | Path, *, weights: bool) -> int:
    """Write a run as a zip file. Returns the number of its files.

    weights: also its checkpoints and snapshots, so that it can be resumed, forked and looked at elsewhere.

    Raises:
        UserError: there is no such run, it is active, or it has no file that can be read.
    """
    folder, state = store.folder(run_id), store.state(run_id)
    if state.status in ACTIVE:
        raise UserError(
            f"Run {run_id} is {state.status}: its files still change. Pause or stop it, or wait for its end."
        )
    names = [name for name in _names(folder) if PLAIN.fullmatch(name) or (weights and WEIGHTS.fullmatch(name))]
    if "recipe.yaml" not in names:
        raise UserError(f"Run {run_id} has no recipe that can be read, so that no other machine could use it.")
    files: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as zipped:
        for name in names:
            stored = (
                zipfile.ZIP_STORED if WEIGHTS.fullmatch(name) else zipfile.ZIP_DEFLATED
            )  # weights do not get smaller
            entry = zipfile.ZipInfo(f"{run_id}/{name}")
            entry.compress_type = stored
            with (folder / name).open("rb") as source, zipped.open(entry, "w", force_zip64=True) as target:
                files[name] = _copied(source, target)
        manifest = {"format": FORMAT, "run": run_id, "written_by": versions.versions(), "files": files}
        zipped.writestr(f"{run_id}/{MANIFEST}", json.dumps(manifest, indent=1))
    return len(names)


def import_run(store: Store, file: BinaryIO | Path, *, plain_name: str = "The file") -> str:
    """Add the run of a zip file to a store. Returns its id: a new one where another run has the one in the file.

    Raises:
        UserError: it is not such a file, it is damaged, too large or has files that no run has, or the run is there already.
    """
    try:
        with zipfile.ZipFile(file) as zipped:
            manifest = _manifest(zipped, plain_name)
            run_id = str(manifest["run"])
            if run_id in store.ids() and _is_same(store.folder(run_id), manifest):
                raise UserError(f"Run {run_id} is here already, with the same events. Nothing was imported.")
            with disk.in_words(store.root, then="import it again"):
                store.root.mkdir(parents=True, exist_ok=True)
                with atomic.staging(store.root / run_id) as folder:
                    for name, expected in manifest["files"].items():
                        _take(zipped, f"{run_id}/{name}", folder / name, expected, plain_name)
                    _check_readable(folder, plain_name)
                    return atomic.take_free_name(folder, _free_ids(store, run_id)).name
    except UserError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # ValueError: a name that is not in its encoding, or an entry that begins before the file
        raise UserError(
            f"{plain_name} is no zip file, or a damaged one ({clipped(str(error), 80)}). Export the run again."
        ) from None


def _names(folder: Path) -> list[str]:
    """Plain files of a run's folder by their name in it, without links."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )


def _copied(source: IO[bytes], target: IO[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def _manifest(zipped: zipfile.ZipFile, plain_name: str) -> dict[str, Any]:
    """The list of files, after every entry was found to be one of it: names, sizes, kinds and number."""
    entries = zipped.infolist()
    found = [entry for entry in entries if entry.filename.endswith(f"/{MANIFEST}") and entry.filename.count("/") == 1]
    if len(found) != 1 or len(entries) > MOST_FILES:
        raise UserError(
            f"{plain_name} is not an exported run: it has {len(entries):,} entries and {len(found)} manifests. Expected a file made by "
            "`python -m kdcore runs export ID FILE.zip`, or by “Folder” on the page of a run."
        )
    run_id = found[0].filename.split("/")[0]
    manifest = _parsed(zipped, found[0], plain_name)
    files = manifest.get("files")
    if (
        manifest.get("format") != FORMAT
        or manifest.get("run") != run_id
        or not RUN_ID.fullmatch(run_id)
        or not isinstance(files, dict)
    ):
        raise UserError(
            f"{plain_name} is an export in a form that this version does not read. Export the run with this version."
        )
    expected = {f"{run_id}/{MANIFEST}", *(f"{run_id}/{name}" for name in files)}
    for entry in entries:
        _check_entry(entry, run_id, files, plain_name)
    if {entry.filename for entry in entries} != expected or len(entries) != len(expected) or "recipe.yaml" not in files:
        raise UserError(f"{plain_name} is incomplete, or has files that its list does not name. Export the run again.")
    if _collide(list(files)):
        raise UserError(f"{plain_name} has two files of one name, or a file and a folder. Nothing was imported.")
    _check_total(sum(entry.file_size for entry in entries), zipped.start_dir, plain_name)
    return manifest


def _collide(names: list[str]) -> bool:
    """Whether two of them are one file where case does not count, or one is another's folder."""
    lower = {name.lower() for name in names}
    folders = {str(parent) for name in lower for parent in PurePosixPath(name).parents}
    return len(lower) < len(names) or not lower.isdisjoint(folders)


def _check_total(size: int, packed: int, plain_name: str) -> None:
    """packed: bytes of the file that hold entries. Entries that share them would be far larger together."""
    if size > MOST_BYTES:
        raise UserError(
            f"{plain_name} would take more than {MOST_BYTES / 2**30:.0f} GiB. Export the run without its weights."
        )
    if size > MOST_RATIO * max(packed, CHUNK):
        raise UserError(f"{plain_name} would unpack {packed:,} bytes to {size:,}. Nothing was imported.")


def _parsed(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, plain_name: str) -> dict[str, Any]:
    if entry.file_size > 16 * 2**20:
        raise UserError(f"{plain_name} is not an exported run: its manifest has {entry.file_size:,} bytes.")
    _check_method(entry, plain_name)
    try:
        manifest = json.loads(zipped.read(entry))
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise UserError(f"{plain_name} is not an exported run: its manifest cannot be read. Export the run again.")
    return manifest


def _check_method(entry: zipfile.ZipInfo, plain_name: str) -> None:
    if entry.compress_type not in METHODS:
        raise UserError(
            f"{plain_name} is compressed in a way that no export uses: {clipped(ascii(entry.filename), 80)}. Nothing was imported."
        )


def _check_entry(entry: zipfile.ZipInfo, run_id: str, files: dict[str, Any], plain_name: str) -> None:
    """Raises UserError for what is no plain file of a run: folders, links, other names, encrypted or suspiciously small ones."""
    name = entry.filename.removeprefix(f"{run_id}/")
    kind = entry.external_attr >> 28  # of Unix: 10 is a link, 8 a plain file, 0 unknown
    known = name == MANIFEST or bool(PLAIN.fullmatch(name) or WEIGHTS.fullmatch(name))
    if entry.filename != f"{run_id}/{name}" or not known or ".." in name or kind not in (0, 8) or entry.flag_bits & 1:
        raise UserError(
            f"{plain_name} has an entry that no run has: {clipped(ascii(entry.filename), 80)}. Nothing was imported."
        )
    _check_method(entry, plain_name)
    if name in files if name == MANIFEST else not _is_described(files.get(name), entry):
        raise UserError(f"{plain_name} is incomplete, or has files that its list does not name. Export the run again.")
    most = MOST_BYTES if WEIGHTS.fullmatch(name) else MOST_PLAIN
    if entry.file_size > most or entry.file_size > MOST_RATIO * max(entry.compress_size, CHUNK):
        raise UserError(
            f"{plain_name} would unpack {clipped(name, 80)} to {entry.file_size:,} bytes. Nothing was imported."
        )


def _is_described(expected: object, entry: zipfile.ZipInfo) -> bool:
    """Whether the list has the entry's size and a checksum."""
    return (
        isinstance(expected, dict)
        and type(expected.get("size")) is int
        and expected["size"] == entry.file_size
        and isinstance(expected.get("sha256"), str)
    )


def _take(zipped: zipfile.ZipFile, entry: str, to: Path, expected: dict[str, Any], plain_name: str) -> None:
    """Unpack one file, never more of it than its list says, and compare its checksum."""
    to.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), expected["size"]
    with zipped.open(entry) as source, to.open("xb") as target:
        while chunk := source.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            target.write(chunk)
            digest.update(chunk)
    if left or digest.hexdigest() != expected["sha256"]:
        raise UserError(
            f"{plain_name} is damaged: {clipped(to.name, 80)} is not as it was exported. Copy or export it again."
        )


def _check_readable(folder: Path, plain_name: str) -> None:
    """The recipe must be one, before the run is listed. Events are checked line by line whenever they are read."""
    try:
        recipe_file.read(folder)
    except UserError as error:
        raise UserError(f"{plain_name} has a recipe that cannot be used. {error}") from None


def _is_same(there: Path, manifest: dict[str, Any]) -> bool:
    expected = manifest["files"].get("events.jsonl")
    try:
        with (there / "events.jsonl").open("rb") as file:
            return bool(expected) and hashlib.file_digest(file, "sha256").hexdigest() == expected["sha256"]
    except OSError:
        return False


def _free_ids(store: Store, run_id: str) -> Iterator[Path]:
    """The id of the file, or where another run has it, ids with other last letters."""
    recorded = set(store.ids())
    while True:
        if run_id not in recorded:
            yield store.root / run_id
        run_id = f"{run_id[:190].rsplit('-', 1)[0]}-{secrets.token_hex(4)}"
