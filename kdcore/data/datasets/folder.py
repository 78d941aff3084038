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
from kdcore.data.folders import names, stored
from kdcore.data.folders.contents import Listing, Names, Pool
from kdcore.data.folders.items import File, Item
from kdcore.data.folders.listing import listed
from kdcore.data.folders.walking import stamp
from kdcore.errors import UserError

SEPARATOR = os.fsencode(os.sep)


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
        """The files with their sizes and modification times. Those of a large folder are the ones of its listing, which counts while
        no folder has changed: to look at a million files takes longer than a start should.
        """
        found = self._rows[pool]
        rows, files = found.rows[places], found.pool.files
        sizes, changed = (found.pool.where[name][rows] for name in ("size", "changed"))
        if len(self.listing) < stored.LEAST:
            changed, sizes = self._stamps(files, rows)
        digest = hashlib.sha256()
        for row, size, at in zip(rows.tolist(), sizes.tolist(), changed.tolist(), strict=True):
            digest.update(b"%b\0%d\0%d\n" % (files.raw(row).replace(SEPARATOR, b"/"), size, at))
        return digest.digest()

    def _stamps(self, files: Names, rows: np.ndarray) -> np.ndarray:
        """The files' times of modification and sizes now, [2, n]. Raises UserError."""
        found = []
        for row in rows.tolist():
            try:
                found.append(stamp(f"{self.absolute}{os.sep}{files[row]}"))
            except OSError as error:
                path = names.text(os.path.join(self.absolute, files[row]))
                raise UserError(f"{path} cannot be read any more ({error.strerror}).") from error
        return np.array(found, np.int64).reshape(-1, 2).T
