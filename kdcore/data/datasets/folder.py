"""A folder of image files, one subfolder per class, as in torchvision's ImageFolder.

path/CLASS/*.jpg                        a fifth is split off for the test, and a share for validation; stratified, seeded
path/train/CLASS, path/test/CLASS       where there is no `test`, a fifth of `train` is split off for it
path/val/CLASS                          (or valid, validation) used as it is; else split off `train`
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from kdcore import paths, photos
from kdcore.data import sampling
from kdcore.data.datasets.base import Dataset, Images, Report, quiet
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
POOL_FOLDERS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation"),
}
TEST_SHARE, TEST_SEED = 0.2, 4
LAYOUT = "It should hold one folder of images for each class, or train/ and test/ with such folders in them."

Files = tuple[list[Path], np.ndarray]  # the files and their classes, [n] int64


class Folder(Dataset):
    """Files that are decoded when they are read, and held as uint8 from then on."""

    title = "Your own folder"
    summary = "Your own images on this computer: one folder for each class, named as the class."
    obtained = "folder"
    image_size = 224
    own_keys = frozenset({"path"})

    def __init__(self, data: DataRecipe, report: Report = quiet, *, download: bool = False) -> None:
        super().__init__(data, report, download=download)
        self.root = Path(data.path or "").expanduser()
        self.seed = data.seed

    def check(self) -> None:
        if not self.data.path:
            raise UserError(
                f"Data {self.data.name!r} needs `path`: a folder that holds one folder of images for each class."
            )

    def class_count(self) -> int | None:
        return len(_folders(self.parts["train"])) if self.data.path and paths.allowed(self.root).is_dir() else None

    def train_count(self) -> int:
        return len(self.targets("train"))

    @cached_property
    def parts(self) -> dict[str, Path]:
        """pool -> the folder that holds its class folders."""
        self.check()
        if not paths.allowed(self.root).is_dir():
            raise UserError(f"There is no folder {self.root} (looked in {self.root.absolute().parent}). {LAYOUT}")
        inside = {folder.name.lower(): folder for folder in _folders(self.root)}
        found = {
            pool: next((inside[name] for name in names if name in inside and _folders(inside[name])), None)
            for pool, names in POOL_FOLDERS.items()
        }
        return {pool: part for pool, part in found.items() if part} if found["train"] else {"train": self.root}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        names = tuple(folder.name for folder in _folders(self.parts["train"]))
        if not names:
            raise UserError(f"{self.parts['train']} has no folders in it. {LAYOUT}")
        if len(names) == 1:
            raise UserError(
                f"{self.parts['train']} has a single class, {names[0]!r}; at least two are needed. {LAYOUT}"
            )
        for pool, part in self.parts.items():
            if strange := sorted({folder.name for folder in _folders(part)} - set(names)):
                raise UserError(f"{part} has the class {strange[0]!r}, which {self.parts['train']} does not: the {pool} "
                                 f"images may only have the training classes, {', '.join(names[:10])}.")  # fmt: skip
        return names

    @cached_property
    def pools(self) -> tuple[str, ...]:
        return tuple(pool for pool in ("train", "validation", "test") if pool in self.parts or pool == "test")

    def targets(self, pool: str) -> np.ndarray:
        return self._files[pool][1]

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        files, _ = self._files[pool]
        pixels = np.empty((len(places), size, size, 3), dtype=np.uint8)

        def read_into(row: int) -> str:
            try:
                pixels[row] = decoded(files[places[row]], size)
            except (OSError, photos.Unusable) as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            problems = list(threads.map(read_into, range(len(places))))
        kept = np.flatnonzero([not problem for problem in problems])
        requested = zip(places, problems, strict=True)
        bad = [f"{files[place].relative_to(self.root)} ({problem})" for place, problem in requested if problem]
        plain = [
            str(files[places[row]].relative_to(self.root)) for row in kept if (pixels[row] == pixels[row, 0, 0]).all()
        ]
        return Images(pixels[kept] if bad else pixels, kept, unreadable=tuple(bad), plain=tuple(plain))

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        """The files with their sizes and modification times."""
        files, _ = self._files[pool]
        digest = hashlib.sha256()
        for place in places:
            found = files[place].stat()
            name = files[place].relative_to(self.root).as_posix()
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        return digest.digest()

    @cached_property
    def _files(self) -> dict[str, Files]:
        pools = {pool: self._listed(part) for pool, part in self.parts.items()}
        files, targets = pools["train"]
        if empty := np.flatnonzero(np.bincount(targets, minlength=len(self.classes)) == 0).tolist():
            raise UserError(
                f"The class {self.classes[empty[0]]!r} has no images in {self.parts['train']}: add some "
                f"({', '.join(sorted(ENDINGS))}), or remove its folder."
            )
        if "test" not in pools:
            chosen = sampling.share(targets, TEST_SHARE, (self.seed, TEST_SEED))
            pools["test"] = ([files[i] for i in chosen], targets[chosen])
            rest = np.delete(np.arange(len(files)), chosen)
            pools["train"] = ([files[i] for i in rest], targets[rest])
        return pools

    def _listed(self, part: Path) -> Files:
        files: list[Path] = []
        targets: list[int] = []
        for target, name in enumerate(self.classes):
            own = sorted(file for file in (part / name).rglob("*") if _is_image(file))
            files += own
            targets += [target] * len(own)
        return files, np.array(targets, dtype=np.int64)


def decoded(file: Path, size: int) -> np.ndarray:
    """The central square of an image file, upright, RGB: uint8 [size, size, 3]. Subject to the same checks as an upload.

    Raises:
        photos.Unusable: the file is no image that can be read; with the reason.
        OSError: the file cannot be opened.
    """
    photos.check_length(paths.allowed(file).stat().st_size, photos.OWN)
    image = photos.picture(file.read_bytes(), size, photos.OWN).image
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box))


def _folders(folder: Path) -> list[Path]:
    found = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith((".", "__")))
    return [paths.allowed(inside) for inside in found]  # one may be a link


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()
