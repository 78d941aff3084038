"""A folder of image files, one subfolder per class, as in torchvision's ImageFolder.

path/CLASS/*.jpg                        a fifth is split off for the test, and a share for validation; stratified, seeded
path/train/CLASS, path/test/CLASS       where there is no `test`, a fifth of `train` is split off for it
path/val/CLASS                          (or valid, validation, dev) used as it is; else split off `train`

Which files count, and what is left out, is decided in `data/folders`.
"""

import hashlib
import os
from functools import cached_property

import numpy as np

from kdcore.data.encoded import Encoded
from kdcore.data.folders import names
from kdcore.data.folders.contents import Listing, Pool
from kdcore.data.folders.items import File, Item
from kdcore.data.folders.listing import listed
from kdcore.errors import UserError


class Folder(Encoded):
    title = "Your own folder"
    summary = "Your own images on this computer: one folder for each class, named as the class."
    wanted = "a folder that holds one folder of images for each class"

    @cached_property
    def listing(self) -> Listing:
        self.check()
        return listed(self.root)

    @cached_property
    def absolute(self) -> str:  # computed once, for each of a million images
        return os.path.abspath(self.root)

    def item(self, pool: Pool, row: int) -> Item:
        return File(os.path.join(self.absolute, pool.files[row]))

    def identity(self, pool: str, places: np.ndarray) -> bytes:
        """The files with their sizes and modification times: a file may change without its folder."""
        digest = hashlib.sha256()
        found = self._rows[pool]
        for row in found.rows[places].tolist():
            file = found.pool.files[row]
            try:
                status = os.stat(f"{self.absolute}{os.sep}{file}")
            except OSError as error:
                path = names.text(os.path.join(self.absolute, file))
                raise UserError(f"{path} cannot be read any more ({error.strerror}).") from error
            line = f"{file.replace(os.sep, '/')}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.digest()
