"""Tar shards in the layout of WebDataset: images that are read by their place in the shard, as many as there are.

path/train-000000.tar, ...      an image (.jpg, .png, .webp) and its label (.cls or .json) for each key
path/test-000000.tar, ...       where there are none, a fifth of each class is split off for the test

What counts as an image, a label and a split is decided in `data/shards`.
"""

import os
import re
from functools import cached_property
from pathlib import Path

from kdcore.data.encoded import Encoded
from kdcore.data.folders.contents import Listing, Pool
from kdcore.data.folders.items import Item, Part
from kdcore.data.shards import files, index

INSIDE = re.compile(r"(.*?\.tar)/", re.IGNORECASE | re.DOTALL)  # an image's name begins with that of its shard


class Shards(Encoded):
    title = "Tar shards"
    summary = "Your own images in tar files as WebDataset writes them: train-000000.tar, with an image and a label for each key."
    wanted = "a folder of tar files such as train-000000.tar"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        try:
            return bool(files.shards(str(path))) and not files.holds_folders_of_images(str(path))
        except (OSError, ValueError):  # the latter of a zero byte
            return False

    @cached_property
    def listing(self) -> Listing:
        self.check()
        return index.indexed(self.root, self.report)

    @cached_property
    def absolute(self) -> str:  # computed once, for each of a million images
        return os.path.abspath(self.root)

    def item(self, pool: Pool, row: int) -> Item:
        name = pool.files[row]
        shard = INSIDE.match(name)
        assert shard
        where = pool.where
        return Part(
            key=os.path.join(self.absolute, name),
            file=os.path.join(self.absolute, shard[1]),
            offset=int(where["offset"][row]),
            size=int(where["size"][row]),
        )
