"""Sample photos: photographs that scikit-image includes, and drawn images of the project."""

import importlib.util
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from kdcore import photos
from kdcore.data import datasets
from kdcore.paths import ASSETS

DRAWN = ASSETS / "samples"  # `DATASET-CLASS.png`
SIDE = 768  # pixels of a photo: twice what is shown of it


@dataclass(frozen=True)
class Sample:
    """A sample photo.

    id: in the address.
    dataset: its networks fit the photo best; empty where none does.
    true: its class in that dataset, where it has one.
    credit: who made it, and its licence.
    """

    id: str
    name: str
    path: Path
    dataset: str = ""
    true: str = ""
    credit: str = ""


# File of skimage/data: name, dataset, class, credit. The licences stand in the docstrings of skimage.data.
PHOTOGRAPHS = {
    "chelsea.png": ("cat", "cifar10", "cat", "Chelsea the cat. Photo: Stefan van der Walt, CC0."),
    "rocket.jpg": ("rocket", "cifar10", "", "A Falcon 9. Photo: SpaceX, public domain."),
    "coffee.png": ("coffee", "cifar10", "", "A cup of coffee. Photo: Rachel Michetti, CC0."),
    "astronaut.png": ("astronaut", "cifar10", "", "Eileen Collins. Photo: NASA, public domain."),
}


def found() -> tuple[Sample, ...]:
    """All samples, photographs first."""
    return (*photographs(), *_drawn())


@cache
def photographs() -> tuple[Sample, ...]:
    """Those of scikit-image, where it is installed with its files."""
    spec = importlib.util.find_spec("skimage")  # the package itself takes a second to load
    if spec is None or spec.origin is None:
        return ()
    folder = Path(spec.origin).parent / "data"
    every = (
        Sample(file, name, folder / file, dataset, true, credit)
        for file, (name, dataset, true, credit) in PHOTOGRAPHS.items()
    )
    return tuple(each for each in every if each.path.is_file())


def _drawn() -> tuple[Sample, ...]:
    samples = []
    for path in sorted(DRAWN.glob("*")):
        if path.suffix in (".png", ".jpg", ".webp"):
            first, _, true = path.stem.partition("-")
            name = path.stem.replace("-", " ").replace("_", " ")
            samples.append(Sample(path.name, name, path, first if first in datasets.names() else "", true))
    return tuple(samples)


@lru_cache(maxsize=64)
def read(path: Path) -> photos.Photo:
    """The photo, its longer side at most `SIDE` pixels or so."""
    return photos.read(path.read_bytes(), path.name, side=SIDE)
