"""Writes a network in a format: .safetensors, ONNX, ONNX INT8 or a folder; as a whole, with its card, or not at all."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from kdcore.errors import UserError
from kdcore.export.networks import card, evaluating, hub, int8, onnx_graph
from kdcore.export.networks.choosing import Chosen
from kdcore.export.networks.onnx_session import Session
from kdcore.files import atomic, disk
from kdcore.results.comparison import claim
from kdcore.store import Store

Format = Literal["safetensors", "onnx", "int8", "hub"]
ENDINGS: dict[Format, str] = {"safetensors": ".safetensors", "onnx": ".onnx", "int8": ".onnx", "hub": ""}
Report = Callable[[str], None]


def format_of(out: Path) -> Format:
    """The format that a file's ending means; `.safetensors` for any that is not known, which is refused then."""
    return "onnx" if out.suffix.lower() == ".onnx" else "safetensors"


def check_out(out: Path, kind: Format) -> None:
    """Refuse a place before any work: another ending, or a folder that is not empty. Raises UserError."""
    ending = ENDINGS[kind]
    if ending and out.suffix.lower() != ending and not out.is_dir():  # a folder is refused where it is written to
        raise UserError(f"{out} should end in {ending}, such as {out.with_suffix(ending).name}.")
    if kind == "hub":
        if out.is_dir() and any(out.iterdir()):
            raise UserError(f"The folder {out} is not empty. Give another name, or remove it.")
        if out.exists() and not out.is_dir():
            raise UserError(
                f"{out} is a file; a folder in the hub's layout was to be written there. Give another name."
            )
        if not out.absolute().parent.is_dir():
            raise UserError(
                f"There is no folder {out.parent} to write {out.name} to. Create it, or choose another path."
            )


def write_safetensors(chosen: Chosen, out: Path, *, fp16: bool = False, command: str = "") -> list[str]:
    """A weight file with its card beside it. Returns sentences on what was written."""
    import torch

    from kdcore import models

    with staged(out) as (file, beside):
        models.save(chosen.network, file, dtype=torch.float16 if fp16 else None)
        measured, missing = card.measured(models.load(str(file)), chosen)
        beside.write_text(card.content(chosen, file, command=command, **measured), encoding="utf-8")
    size = f"{out}: {_mib(out)}"
    return [f"{size}, {_accuracy(measured)}" if measured else f"{size}. Its accuracy was not measured: {missing}"]


def write_onnx(chosen: Chosen, out: Path) -> list[str]:
    """An ONNX file, checked against PyTorch, with its card beside it. Returns sentences on what was written."""
    graph = onnx_graph.exported(chosen.network)
    _describe(graph.model, card.metadata(chosen, "float32"))
    content = graph.model.SerializeToString()
    measured, missing = _measured(chosen, content)
    with staged(out) as (file, beside):
        file.write_bytes(content)
        more = {"format": "onnx", "difference_to_pytorch": graph.difference, **measured}
        beside.write_text(card.content(chosen, file, **more), encoding="utf-8")
    return [
        f"{out}: {_mib(out)}, largest difference of a logit to PyTorch {graph.difference:.1e}",
        f"In onnxruntime: {_accuracy(measured)}" if measured else f"Its accuracy was not measured: {missing}",
    ]


def write_int8(chosen: Chosen, out: Path) -> list[str]:
    """An ONNX file in INT8 with its card beside it, and what INT8 costs in accuracy. Returns sentences on what was written."""
    if chosen.data is None:
        raise UserError(
            f"INT8 is calibrated on validation images, and the data of {chosen.reference} is not known: {chosen.why} "
            "Name it: --data NAME, or --path FOLDER."
        )
    graph = onnx_graph.exported(chosen.network)
    images = int8.calibration(chosen.data)
    whole = graph.model.SerializeToString()
    model = int8.quantised(graph.model, images)
    _describe(model, card.metadata(chosen, "int8", calibration=str(images)))
    content = model.SerializeToString()
    measured, missing = _compared(chosen, content, whole)
    with staged(out) as (file, beside):
        file.write_bytes(content)
        more = {"format": "onnx int8", "calibration": str(images), **measured}
        beside.write_text(card.content(chosen, file, **more), encoding="utf-8")
    size = f"{out}: {_mib(out)} in INT8, {len(whole) / len(content):.1f} times smaller than in float32 as ONNX; calibrated on {images}"
    if not measured:
        return [size, f"Its accuracy was not measured: {missing}"]
    return [size, f"In onnxruntime: {_accuracy(measured)}", f"INT8 - float32: {measured['int8_cost']['words']}"]


def write_hub(chosen: Chosen, out: Path, store: Store, *, licence: str) -> list[str]:
    """A folder in the hub's layout. Returns sentences on what was written."""
    notes: list[str] = []
    with disk.in_words(out.absolute().parent, then="run the command again"), atomic.new_folder(out) as folder:
        hub.write(chosen, folder, store, licence=licence, report=notes.append)
    size = sum(file.stat().st_size for file in out.iterdir())
    return [f"{out}: {', '.join(sorted(file.name for file in out.iterdir()))} ({size / 2**20:.2f} MiB)", *notes]


@contextlib.contextmanager
def staged(out: Path) -> Iterator[tuple[Path, Path]]:
    """A file and its card to write, in a temporary folder; both take their places when the block ends without error."""
    with atomic.staging(out) as folder:
        files = folder / out.name, folder / out.with_suffix(".json").name
        yield files
        for file in files:
            file.replace(out.parent / file.name)


def _describe(model: Any, metadata: dict[str, str]) -> None:
    del model.metadata_props[:]
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=value)


def _measured(chosen: Chosen, content: bytes) -> tuple[dict[str, Any], str]:
    if chosen.data is None:
        return {}, chosen.why
    try:
        images = evaluating.images_of(chosen.data)
    except UserError as error:
        return {}, str(error)
    found = evaluating.figures(evaluating.logits(Session(content), images), images)
    return card.accuracy(chosen, found), ""


def _compared(chosen: Chosen, content: bytes, whole: bytes) -> tuple[dict[str, Any], str]:
    """The accuracy of an INT8 file, and what may be claimed of its difference to the file in float32."""
    assert chosen.data is not None
    try:
        images = evaluating.images_of(chosen.data)
    except UserError as error:
        return {}, str(error)
    small, large = (evaluating.logits(Session(each), images) for each in (content, whole))
    found = evaluating.difference(small, large, images)
    cost = {**evaluating.plain(found), "words": claim(found, "the INT8 file", "the network in float32")}
    return {**card.accuracy(chosen, evaluating.figures(small, images)), "int8_cost": cost}, ""


def _mib(file: Path) -> str:
    return f"{file.stat().st_size / 2**20:.2f} MiB"


def _accuracy(measured: dict[str, Any]) -> str:
    found = measured["accuracy"]
    return f"accuracy {100 * found['top1']:.2f} % ({100 * found['low']:.2f} % to {100 * found['high']:.2f} %)"
