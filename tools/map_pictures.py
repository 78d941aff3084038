"""The heatmaps shown in docs/attention.md: every map of the bundled cues teacher and student on one sample.

    python -m tools.map_pictures [--sample cues-heart]

They are written to docs/pictures/maps/NAME.png, in the colours of the app; 256 of them, so that the files stay small.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kdcore import photos
from kdcore.explain import NotDefined, map_names
from kdcore.explain.render import comparison_sheet
from kdcore.inspection import Inspection, Inspector
from kdcore.paths import ASSETS, PROJECT
from kdcore.store import Store

NETWORKS = ("cues-teacher", "cues-student")
FOLDER = PROJECT / "docs" / "pictures" / "maps"
SIDE = 200  # pixels of one picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sample", default="cues-heart", help="a file of assets/samples, without its ending")
    file = ASSETS / "samples" / f"{parser.parse_args().sample}.png"
    photo = photos.read(file.read_bytes(), file.name, side=768)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as nothing:
        inspector = Inspector(Store(Path(nothing)), threads=1)
        for map_name in map_names():
            sheet = comparison_sheet(inspections(inspector, photo.pixels, map_name), side=SIDE, colormap="viridis")
            Image.fromarray(sheet).quantize(256).save(FOLDER / f"{map_name}.png", optimize=True)
            print(FOLDER / f"{map_name}.png")


def inspections(inspector: Inspector, pixels: np.ndarray, map_name: str) -> list[Inspection]:
    """The inspection by each network that has this map."""
    found = []
    for reference in NETWORKS:
        try:
            found.append(inspector.inspect(pixels, reference, map_name=map_name))
        except NotDefined:
            continue  # a CNN has no attention
    return found


if __name__ == "__main__":
    main()
