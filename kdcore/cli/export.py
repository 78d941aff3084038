"""`export` writes a network for other programs: .safetensors, ONNX, ONNX INT8, or a folder in the hub's layout."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from kdcore.cli.options import noted, store, writing
from kdcore.errors import UserError
from kdcore.store import Store

Format = Literal["safetensors", "onnx", "int8", "hub"]

app = App(
    name="export",
    help_epilogue="""A file is written as a whole or not at all; the card next to it (.json) has recipe, accuracy with interval, date
and hash. ONNX files take images in [0, 1] and run without this project: docs/deploy.md.

Examples:

  python -m kdcore export run:ID/student student.safetensors
  python -m kdcore export run:ID/twin twin.safetensors --fp16
  python -m kdcore export ID student.onnx                          the student of a run
  python -m kdcore export ID student-int8.onnx --format int8
  python -m kdcore export ID my-student/ --format hub --license mit""",
)


@app.default
def export(
    model: str,
    out: Path,
    /,
    *,
    kind: Annotated[Format | None, Parameter(name="--format")] = None,
    data: str | None = None,
    path: str | None = None,
    licence: Annotated[str, Parameter(name=("--license", "--licence"))] = "unknown",
    command: str | None = None,
    fp16: bool = False,
) -> int:
    """Write a network for other programs, with a card.

    Args:
        model: run:ID/student, run:ID/twin, the id of a run (its student), a bundled model or a file.
        out: The .safetensors or .onnx file to write, or with --format hub a new folder.
        kind: safetensors, onnx, int8 (ONNX, quantised and calibrated on validation images), or hub (a folder that
            timm.create_model("local-dir:...") opens). Default: by the ending of OUT.
        data: Name of the dataset that a file's network is measured on. Default: the one with its classes.
        path: Folder of class folders, instead of --data.
        licence: Licence of the weights for the model card of --format hub, such as mit or cc-by-4.0.
        command: How it was trained, for the card of a .safetensors file.
        fp16: Half precision, half the size, for .safetensors. The card's accuracy is measured on what is written.
    """
    written = write(model, out, kind, data=data, path=path, licence=licence, command=command or "", fp16=fp16)
    print("\n".join(written))
    return 0


def write(
    model: str,
    out: Path,
    kind: Format | None = None,
    *,
    data: str | None = None,
    path: str | None = None,
    licence: str = "unknown",
    command: str = "",
    fp16: bool = False,
    runs: Store | None = None,
) -> list[str]:
    """Write a network with its card, as `export` takes them. Returns sentences on what was written. Raises UserError."""
    from kdcore.export.networks import choosing, files

    kind = kind or files.format_of(out)
    if kind not in files.ENDINGS:
        raise UserError(f"There is no format {kind!r}. Formats: {', '.join(files.ENDINGS)}.")
    files.check_out(out, kind)
    if fp16 and kind != "safetensors":
        raise UserError("--fp16 is for .safetensors. For a smaller ONNX file use --format int8.")
    runs = runs or store()
    measured_on = choosing.named_data(data, path)
    if kind == "hub":
        chosen = choosing.chosen(model, runs, data=measured_on, report=noted)
        return files.write_hub(chosen, out, runs, licence=licence)
    with writing(out):
        chosen = choosing.chosen(model, runs, data=measured_on, report=noted)
        if kind == "safetensors":
            return files.write_safetensors(chosen, out, fp16=fp16, command=command)
        return files.write_onnx(chosen, out) if kind == "onnx" else files.write_int8(chosen, out)
