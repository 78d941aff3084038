"""Ways in which a run's folder comes to harm: by hand, by a full disk, by a power cut, by another program."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STEP = {
    "event": "StepEnded", "time": 2e9, "step": 12, "epoch": 1.2, "losses": {"student": {"total": 1.0}}, "shares": {},
    "weights": {}, "temperatures": {}, "learning_rate": 0.1, "images_per_second": 9.0, "train_top1": {},
}  # fmt: skip
STARTED = {
    "event": "RunStarted", "time": 2e9, "step": 0, "steps": 20, "epochs": 2, "device": "cpu", "precision": "fp32",
    "classes": ["a", "b", "c"], "train_images": 10, "labelled_images": 10, "parameters": {},
}  # fmt: skip
Harm = Callable[[Path], None]


def recipe(content: bytes) -> Harm:
    return swap("recipe.yaml", lambda path: path.write_bytes(content))


def in_recipe(more: bytes) -> Harm:
    def harm(folder: Path) -> None:
        with (folder / "recipe.yaml").open("ab") as file:
            file.write(more)

    return harm


def line(content: bytes) -> Harm:
    """One more line of events."""

    def harm(folder: Path) -> None:
        with (folder / "events.jsonl").open("ab") as file:
            file.write(content + b"\n")

    return harm


def event(base: dict[str, Any], **changes: Any) -> Harm:
    """One more event, with other values; those that are `...` are left out."""
    plain = {name: value for name, value in (base | changes).items() if value is not ...}
    return line(json.dumps(plain).encode())


def events(content: bytes) -> Harm:
    return swap("events.jsonl", lambda path: path.write_bytes(content))


def swap(name: str, make: Callable[[Path], Any]) -> Harm:
    """Something else in the place of a file."""

    def harm(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        make(path)

    return harm


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_text("x")


def cut(name: str) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return harm


def both(first: Harm, second: Harm) -> Harm:
    def harm(folder: Path) -> None:
        first(folder)
        second(folder)

    return harm


def swollen(path: Path) -> None:
    """An archive whose array claims a terabyte."""
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000000000,), }".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("note.npy", header + b"12345678")


def json_file(name: str, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        from kdcore.store import Store

        Store(folder.parent).state(folder.name)  # so that it is there
        kept = json.loads((folder / name).read_text())
        kept["state"] |= changes
        (folder / name).write_text(json.dumps(kept))

    return harm


WAYS: dict[str, tuple[Harm, str]] = {  # way -> harm, and what is said of it; nothing where nothing is lost
    "recipe not UTF-8": (in_recipe(b"\nnote: \xff\xfe\n"), "recipe"),
    "recipe with a bad date": (in_recipe(b"\nnote: 2026-99-99\n"), "recipe|note"),
    "recipe nested deeply": (recipe(b"a: " + b"[" * 20_000), "recipe"),
    "recipe of zeros": (recipe(b"\0" * 500), "recipe"),
    "recipe empty": (recipe(b""), "is empty: a recipe has keys"),
    "recipe a list": (recipe(b"[1, 2]"), "mapping"),
    "recipe of another version": (recipe(b"from_the_future: 1"), "from_the_future"),
    "recipe cut": (cut("recipe.yaml"), ""),
    "recipe with 5,000 digits": (in_recipe(b"\nepochs: " + b"9" * 5000), "recipe"),
    "recipe with a circle": (recipe(b"data: &a {b: *a}"), "recipe"),
    "recipe a folder": (swap("recipe.yaml", full_folder), "It is a folder"),
    "recipe a pipe": (swap("recipe.yaml", os.mkfifo), "no plain file"),
    "recipe a link to nowhere": (swap("recipe.yaml", lambda path: path.symlink_to("nowhere")), "No such file"),
    "recipe gone": (swap("recipe.yaml", lambda path: None), "No such file"),
    "events a folder": (swap("events.jsonl", full_folder), "events.jsonl cannot be read: It is a folder"),
    "events a pipe": (swap("events.jsonl", os.mkfifo), "events.jsonl cannot be read: It is no plain file"),
    "events a link to itself": (swap("events.jsonl", lambda path: path.symlink_to(path)), "events.jsonl cannot be read"),
    "events of zeros": (events(b"\0" * 9000 + b"\n"), "line 1: it is not valid JSON"),
    "events of another kind of file": (events(b"PK\x03\x04\n\xff\xd8\n"), "2 lines"),
    "a last line that is cut": (lambda folder: os.truncate(folder / "events.jsonl", (folder / "events.jsonl").stat().st_size - 40), ""),
    "a line not UTF-8": (line(b'{"event": "Noted", "text": "\xff", "time": 2e9}'), "not UTF-8"),
    "a line with half a character": (line(b'{"event": "Noted", "text": "\\ud800", "time": 2e9}'), "not UTF-8"),
    "a line with zero bytes": (line(b"\0\0\0"), "not valid JSON"),
    "an empty line": (line(b""), "not valid JSON"),
    "a line nested deeply": (line(b"[" * 100_000), "nested too deeply|not valid JSON"),
    "a line of 3 MB": (line(b'{"event": "Noted", "time": 1, "text": "' + b"x" * 3_000_000 + b'"}'), "longer than 1 MiB"),
    "a line of 20 MB": (line(b"x" * 20_000_000), "longer than 1 MiB"),
    "a list": (line(b"[1, 2]"), "should be a mapping"),
    "a number": (line(b"7"), "should be a mapping"),
    "an unknown event": (event({"event": "TimeTravelled", "time": 2e9}), "'TimeTravelled' is not an event"),
    "an event that is a list": (event({"event": ["StepEnded"], "time": 2e9}), "is not an event"),
    "no time": (event(STEP, time=...), "`time` should be"),
    "a time far away": (event(STEP, time=1e300), "`time` should be"),
    "a time that is not finite": (event(STEP, time=float("inf")), "`time` should be"),
    "a list for a number": (event(STEP, learning_rate=[1]), "`learning_rate` of StepEnded should be a number"),
    "a text for a number": (event(STEP, step="12"), "`step` of StepEnded should be a whole number"),
    "a list among the losses": (event(STEP, losses={"student": {"total": [1]}}), "`losses` of StepEnded"),
    "losses that are numbers": (event(STEP, losses={"student": 1.0}), "`losses` of StepEnded"),
    "a step of 10^30": (event(STEP, step=10**30), "`step` of StepEnded"),
    "a step of 5,000 digits": (line(json.dumps(STEP | {"step": 0}).replace('"step": 0', '"step": ' + "9" * 5000).encode()), "JSON"),
    "a negative step": (event(STEP, step=-1), "`step` of StepEnded"),
    "an epoch that is not finite": (event(STEP, epoch=float("nan")), "`epoch` of StepEnded"),
    "a missing key": (event(STEP, shares=...), "StepEnded has no `shares`"),
    "losses that are not finite": (event(STEP, losses={"student": {"total": float("nan")}}), ""),
    "begun twice": (event(STARTED), ""),
    "begun with no epochs": (event(STARTED, epochs=None), "`epochs` of RunStarted"),
    "begun with classes of numbers": (event(STARTED, classes=[1, 2]), "`classes` of RunStarted"),
    "begun with one class": (event(STARTED, classes=["a"]), ""),
    "a probe outside": (event({"event": "ProbeTaken", "time": 2e9, "step": 12, "epoch": 1.2, "seconds": 1, "file": "../../x"}), "`file`"),
    "a checkpoint outside": (event({"event": "CheckpointSaved", "time": 2e9, "step": 12, "epoch": 1, "file": "/etc/passwd"}), "`file`"),
    "a knob out of range": (event({"event": "KnobTurned", "time": 2e9, "step": 12, "knob": "learning_rate", "factor": -5}), "`factor`"),
    "weights of no layer": (event({"event": "LayersWeighted", "time": 2e9, "step": 12, "epoch": 1, "term": "kd", "weights": []}), "`weights`"),
    "an idle term without share": (
        event({"event": "GradientsMeasured", "time": 2e9, "step": 12, "epoch": 1, "norms": {}, "shares": {}, "idle": {"kd": 1}}), "`idle`"),
    "metrics without accuracy": (
        event({"event": "Evaluated", "time": 2e9, "step": 12, "epoch": 1, "split": "validation", "metrics": {"student": {}}}), "`top1`"),
    "results without a student": (event({"event": "RunFinished", "time": 2e9, "step": 20, "seconds": 1, "results": {"twin": {}}}), "no student"),
    "results without an interval": (
        event({"event": "RunFinished", "time": 2e9, "step": 20, "seconds": 1,
               "results": {"student": {"top1": 1}, "difference": {"top1": 0.1}}}), "`low` of the difference"),
    "results that are not finite": (
        event({"event": "RunFinished", "time": 2e9, "step": 20, "seconds": 1, "results": {"student": {"top1": float("inf")}}}), "`top1`"),
    "lock a folder": (swap("writer.lock", full_folder), "writer.lock is a folder"),
    "probes a file": (swap("probes", lambda path: path.write_text("x")), ""),
    "first probe cut": (cut("probes/00000000.npz"), ""),
    "last probe cut": (cut("probes/00000020.npz"), ""),
    "a probe of other arrays": (swap("probes/00000020.npz", lambda path: np.savez(path, student=np.ones(3))), ""),
    "a probe that claims a terabyte": (swap("probes/00000000.npz", swollen), ""),
    "probes gone": (swap("probes", lambda path: None), ""),
    "folded.json cut": (both(json_file("folded.json"), cut("folded.json")), ""),
    "folded.json with other types": (json_file("folded.json", step="a lot", epoch=[]), ""),
    "folded.json nested deeply": (swap("folded.json", lambda path: path.write_bytes(b"[" * 100_000)), ""),
    "folded.json a folder": (swap("folded.json", full_folder), ""),
    "folded.json a pipe": (swap("folded.json", os.mkfifo), ""),
    "folded.npz that claims a terabyte": (swap("folded.npz", swollen), ""),
    "folded.npz of zeros": (swap("folded.npz", lambda path: path.write_bytes(b"\0" * 1000)), ""),
    "snapshots a file": (swap("snapshots", lambda path: path.write_text("x")), ""),
    "checkpoints a file": (swap("checkpoints", lambda path: path.write_text("x")), ""),
}  # fmt: skip
