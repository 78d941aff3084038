"""Where the weights of a recipe lie that come with the project or are a file; loads no torch."""

import difflib
import os
from pathlib import Path

from kdcore import paths
from kdcore.errors import UserError, clipped, shortened
from kdcore.recipe.references import SAFETENSORS, WeightFile


def bundled_names() -> list[str]:
    """The models that come with the project: those with weights and a card."""
    files = sorted((paths.ASSETS / "models").glob(f"*{SAFETENSORS}"))
    return [file.stem for file in files if file.with_suffix(".json").is_file()]


def bundled_file(name: str) -> Path:
    """The weight file of a bundled model. Raises UserError where there is none, with the nearest names."""
    if file := paths.bundled_model(name, SAFETENSORS):
        return file
    if name and paths.is_allowed(folder := paths.given(name)) and os.path.isdir(folder):
        raise UserError(
            f"{name} is a folder. Convert its weights once: python -m kdcore import-weights {name} --out {folder.name}{SAFETENSORS}"
        )
    known = bundled_names()
    near = difflib.get_close_matches(name, known, n=3)
    raise UserError(
        f"There are no weights {shortened(name)}."
        + (f" Did you mean {' or '.join(repr(each) for each in near)}?" if near else "")
        + f" Bundled: {', '.join(known) or 'none'}. Otherwise run:ID/student (`python -m kdcore runs` lists the runs) or the path of "
        "a .safetensors file."
    )


def weight_file(reference: WeightFile) -> Path:
    """The weight file at a path or in the data folder. Raises UserError where there is none, or a pickle is named."""
    reference.check()
    path, file = paths.given(reference.path), paths.weight_file(reference.path)
    if not os.path.isfile(file):
        looked = clipped(f"{path}" if file == path else f"{path}, nor {file}", 500)
        raise UserError(f"There is no weight file {looked}. See docs/results.md for where the public ones come from.")
    return file
