"""The pictures of docs/attention.md: every map of the bundled cues teacher and student on one sample.

    python -m tools.map_pictures [--sample cues-heart]

They are written to docs/pictures/maps/NAME.png, in the colours of the app; 256 of them, so that the files stay small.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kdcore import photos
from kdcore.explain import METHODS, NotDefined
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
        for method in METHODS:
            sheet = comparison_sheet(answers(inspector, photo.pixels, method), side=SIDE, colormap="viridis")
            Image.fromarray(sheet).quantize(256).save(FOLDER / f"{method}.png", optimize=True)
            print(FOLDER / f"{method}.png")


def answers(inspector: Inspector, pixels: np.ndarray, method: str) -> list[Inspection]:
    """What each network that can have this map says."""
    found = []
    for reference in NETWORKS:
        try:
            found.append(inspector.inspect(pixels, reference, method=method))
        except NotDefined:
            continue  # a CNN has no attention
    return found


if __name__ == "__main__":
    main()
