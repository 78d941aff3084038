"""The CIFAR archives (Krizhevsky, 2009), read by torchvision from the data folder, or downloaded into it where that is allowed."""

import hashlib
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from kdcore.data import datasets
from kdcore.data.datasets.base import Dataset, Images, Progress, Report, quiet
from kdcore.errors import NotHere, UserError
from kdcore.files import atomic
from kdcore.paths import data_folder
from kdcore.recipe import DataRecipe


class Cifar(Dataset):
    """50,000 training and 10,000 test images of 32 pixels.

    unpacked, archive: the folder as torchvision unpacks it, and the file that it comes in.
    torchvision_name: the class in `torchvision.datasets`.
    """

    obtained = "downloaded"
    image_size = 32
    native_size = 32
    counts: ClassVar = {"train": 50_000, "test": 10_000}
    unpacked: ClassVar[str]
    archive: ClassVar[str]
    torchvision_name: ClassVar[str]

    def __init__(self, data: DataRecipe, report: Report = quiet, *, download: bool = False) -> None:
        super().__init__(data, report, download=download)
        self.name = data.name
        self.folder = data_folder()
        self._opened: dict[str, Any] = {}

    def missing(self) -> str:
        if any((self.folder / file).exists() for file in (self.unpacked, self.archive)):
            return ""
        return (
            f"The images of {self.name} are not on this machine yet: they are downloaded into {self.folder} when a run that "
            "uses them starts."
        )

    def source_url(self) -> str:
        return str(self._dataset.url)

    @cached_property
    def _dataset(self) -> Any:
        import torchvision  # a second to import

        return getattr(torchvision.datasets, self.torchvision_name)

    def targets(self, pool: str) -> np.ndarray:
        return np.array(self._pool(pool).targets, dtype=np.int64)

    def planned_targets(self, pool: str) -> np.ndarray:
        return np.arange(self.counts[pool]) % len(self.classes)  # as many of each class

    def read(self, pool: str, places: np.ndarray, size: int) -> Images:
        return Images(resized(self._pool(pool).data[places], size), np.arange(len(places)))

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        return f"{self.name} {pool} ".encode() + places.astype(np.int64).tobytes()

    def _pool(self, pool: str) -> Any:
        if pool not in self._opened:
            try:
                opened = self._dataset(self.folder, train=pool == "train", download=False)
            except RuntimeError:  # raised for missing and for damaged files
                self._download()
                opened = self._dataset(self.folder, train=pool == "train", download=False)
            self._opened[pool] = opened
        return self._opened[pool]

    def _download(self) -> None:
        """Unpack the archive, after downloading it where it is not there."""
        from torchvision.datasets.utils import check_integrity

        archive = self.folder / self._dataset.filename
        absent = not check_integrity(archive, self._dataset.tgz_md5)
        if absent and not self.may_download:
            raise NotHere(self.missing() or f"The files of {self.name} in {self.folder} are damaged or not complete.")
        try:
            if absent:
                download(self._dataset.url, archive, self._dataset.tgz_md5, self.report)
            self._dataset(self.folder, train=True, download=True)  # finds the archive, checks and unpacks it
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{self.name} is not in {self.folder}, and downloading {self._dataset.url} failed: {error}. Put that file, or "
                f"the folder {self._dataset.base_folder}/ it holds, into {self.folder} (KD_DATA moves it). "
                f"Data that needs no download: {', '.join(datasets.names('drawn', 'folder'))}."
            ) from error
        if absent:  # a user's own archive stays
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
    """Download a file, whole or not at all.

    Raises:
        OSError: no connection, no space, or a file that is not the expected one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    report(f"Downloading {url} to {path.parent}")
    with atomic.replacing(path) as temporary:
        with urllib.request.urlopen(url, timeout=20) as answer, temporary.open("wb") as file:
            digest, done = hashlib.md5(usedforsecurity=False), 0
            progress = Progress(f"Downloading {path.name}", int(answer.headers.get("Content-Length") or 0) or 1, report)
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(done)
        if digest.hexdigest() != md5:
            raise OSError(
                f"the {done:,} bytes that arrived are not the expected file: their md5 is {digest.hexdigest()}"
            )
