"""`explain`: heatmaps of a photo from one or more networks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from kdcore.cli.options import Json, store, writing
from kdcore.errors import NotDefined, UserError
from kdcore.files import atomic
from kdcore.results import json_text

if TYPE_CHECKING:
    import numpy as np

    from kdcore.inspection import Inspector
    from kdcore.inspection.results import Inspection

KDCORE = Path(__file__).parents[1]
DEFAULT_MODELS = ["cifar10-teacher", "cifar10-student", "cifar10-twin"]
# Named without importing them, so that --help does not load torch: a file of the folder is a map.
MAPS = sorted(file.stem for file in (KDCORE / "explain" / "maps").glob("*.py") if file.stem != "__init__")

app = App(
    name="explain",
    help_epilogue="""Examples:

  python -m kdcore explain photo.jpg              three CIFAR-10 networks
  python -m kdcore explain photo.jpg --model cifar10-teacher --map rollout
  python -m kdcore explain photo.jpg --model run:ID/student --npz maps.npz""",
)


@app.default
def explain(
    photo: Path,
    /,
    *,
    models: Annotated[list[str] | None, Parameter(name="--model")] = None,
    map_name: Annotated[
        str | None,
        Parameter(
            name=("--map", "--method"),
            help=f"One of {', '.join(MAPS)}, or of a plugin. Default: the map that suits each network.",
        ),
    ] = None,
    layer: int | None = None,
    head: int | None = None,
    out: Path | None = None,
    npz: Path | None = None,
    as_json: Json = False,
) -> int:
    """Draw heatmaps of a photo.

    Args:
        photo: An image file.
        models: A bundled model, run:ID/student, pretrained:NAME or a file. Repeat to compare. Default: the three
            CIFAR-10 networks.
        layer: Layer of the map, from 0. Default: the map's own.
        head: Attention head, from 0. Default: their mean.
        out: PNG file to write. Default: PHOTO-explained.png next to the photo.
        npz: Also write the maps as arrays to this file.
    """
    from kdcore import photos
    from kdcore.inspection import Inspector

    if not photo.is_file():
        raise UserError(f"There is no file {photo}. Give the path of an image, such as photo.jpg.")
    decoded = photos.read(photo.read_bytes(), photo.name)
    inspector = Inspector(store())
    request = {"map_name": map_name, "layer": layer, "head": head}
    found = {
        reference: inspected(inspector, decoded.pixels, reference, request) for reference in models or DEFAULT_MODELS
    }
    picture = out or photo.with_name(f"{photo.stem}-explained.png")
    write(found, picture, npz)
    if as_json:
        print(json_text.text([as_row(reference, each) for reference, each in found.items()]))
        return 0
    for reference, each in found.items():
        top = ", ".join(f"{name} {100 * probability:.0f} %" for name, probability in each.predictions[:3])
        print(f"{reference:20} {top}   (map: {each.problem or each.map_name})")
    print(f"written: {picture}")
    return 0


def inspected(inspector: "Inspector", pixels: "np.ndarray", reference: str, request: dict[str, Any]) -> "Inspection":
    """As `Inspector.inspect`; a refusal names the network, since the others may be fine."""
    try:
        return inspector.inspect(pixels, reference, **request)
    except NotDefined as error:
        raise UserError(f"{reference}: {error} Networks are chosen with --model.") from error


def write(found: dict[str, "Inspection"], picture: Path, npz: Path | None) -> None:
    """Write the picture, and the maps as arrays where a file for them is given."""
    import numpy as np

    from kdcore.explain import render

    with writing(picture), atomic.replacing(picture) as temporary:
        render.write_png(render.comparison_sheet(list(found.values())), temporary)
    if npz:
        maps: dict[str, Any] = {reference: each.heatmap for reference, each in found.items()}
        named = npz if npz.suffix == ".npz" else npz.with_name(f"{npz.name}.npz")  # as numpy names it
        with writing(named), atomic.replacing(named) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **maps)


def as_row(reference: str, each: "Inspection") -> dict[str, Any]:
    """One network's maps and predictions, for JSON. `map` and `method` are the same; `method` is the older name."""
    return {
        "model": reference,
        "map": each.map_name,
        "method": each.map_name,
        "predictions": each.predictions,
        "heatmap": None if each.problem else each.heatmap.tolist(),
        "problem": each.problem,
    }
