"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), by torchvision: found in the data folder, else downloaded into it where that is allowed."""

import hashlib
import os
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from kdcore.data.source import Images, Progress, Report, quiet
from kdcore.errors import UserError
from kdcore.paths import NotHere, data_folder

CLASSES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle "
        "caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant "
        "flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man "
        "maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree "
        "plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
        "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train "
        "trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ),
}
FILES = {  # as torchvision unpacks them, and the archive that they come in
    "cifar10": ("cifar-10-batches-py", "cifar-10-python.tar.gz"),
    "cifar100": ("cifar-100-python", "cifar-100-python.tar.gz"),
}


def missing(name: str) -> str:
    """The sentence about a dataset that is not on this machine; empty where its folder or archive is. Reads nothing."""
    folder = data_folder()
    if any((folder / file).exists() for file in FILES[name]):
        return ""
    return f"The images of {name} are not on this machine yet: they are downloaded into {folder} when a run that uses them starts."


class Cifar:
    """A `Source` of 50,000 training and 10,000 test images of 32 pixels."""

    pools = ("train", "test")

    def __init__(self, name: Literal["cifar10", "cifar100"], report: Report = quiet, *, download: bool = False) -> None:
        """`download`: whether they may come from the network where they are not on this machine."""
        self.name = name
        self.report = report
        self.may_download = download
        self.folder = data_folder()
        self.classes = tuple(CLASSES[name].split())
        self._opened: dict[str, Any] = {}

    @cached_property
    def _dataset(self) -> Any:
        from torchvision import datasets  # a second to import

        return datasets.CIFAR10 if self.name == "cifar10" else datasets.CIFAR100

    def targets(self, pool: str) -> np.ndarray:
        return np.array(self._pool(pool).targets, dtype=np.int64)

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        return Images(resized(self._pool(pool).data[places], size), np.arange(len(places)))

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        return f"{self.name} {pool} ".encode() + places.astype(np.int64).tobytes()

    def _pool(self, pool: str) -> Any:
        if pool not in self._opened:
            try:
                opened = self._dataset(self.folder, train=pool == "train", download=False)
            except RuntimeError:  # torchvision's word for files that are missing or not what they should be
                self._fetch()
                opened = self._dataset(self.folder, train=pool == "train", download=False)
            self._opened[pool] = opened
        return self._opened[pool]

    def _fetch(self) -> None:
        """Unpack the archive, after downloading it where it is not there."""
        from torchvision.datasets.utils import check_integrity

        archive = self.folder / self._dataset.filename
        ours = not check_integrity(archive, self._dataset.tgz_md5)
        if ours and not self.may_download:
            raise NotHere(
                missing(self.name) or f"The files of {self.name} in {self.folder} are damaged or not complete."
            )
        try:
            if ours:
                download(self._dataset.url, archive, self._dataset.tgz_md5, self.report)
            self._dataset(self.folder, train=True, download=True)  # finds the archive, checks and unpacks it
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{self.name} is not in {self.folder}, and fetching {self._dataset.url} failed: {error}. Put that file, or "
                f"the folder {self._dataset.base_folder}/ it holds, into {self.folder} (KD_DATA moves it). Without it, "
                f"data `cues` and `folder` work."
            ) from error
        if ours:
            archive.unlink()


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [n, H, W, 3] -> [n, size, size, 3]."""
    if images.shape[1:3] == (size, size):
        return images
    how = cv2.INTER_AREA if size < images.shape[1] else cv2.INTER_LINEAR
    into = np.empty((len(images), size, size, 3), dtype=np.uint8)
    for image, place in zip(images, into, strict=True):
        cv2.resize(image, (size, size), dst=place, interpolation=how)
    return into


def download(url: str, path: Path, md5: str, report: Report) -> None:
    """Fetch a file, whole or not at all.

    Raises:
        OSError: no connection, no space, or not the file that was expected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    report(f"Downloading {url} to {path.parent}")
    try:
        with urllib.request.urlopen(url, timeout=20) as answer, part.open("wb") as file:
            digest, done = hashlib.md5(usedforsecurity=False), 0
            progress = Progress(f"Downloading {path.name}", int(answer.headers.get("Content-Length") or 0) or 1, report)
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(done)
        if digest.hexdigest() != md5:
            raise OSError(f"what came ({done:,} bytes) is not the file expected, its md5 is {digest.hexdigest()}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
