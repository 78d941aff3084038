"""A dataset of the package `datasets` (Hugging Face): one that it saved in a folder, or one of its hub, by name.

path: ~/birds                   what `save_to_disk` wrote
path: uoft-cs/cifar10           `python -m kdcore data uoft-cs/cifar10` downloads it once into the data folder; no code of it runs

The image column is the one of type Image; the label column that of type ClassLabel, else one named as labels are.
"""

from functools import cached_property
from pathlib import Path

from kdcore.data import tables
from kdcore.data.encoded import Encoded
from kdcore.data.folders.contents import Listing, Pool
from kdcore.data.folders.items import Item


class HuggingFace(Encoded):
    title = "Hugging Face dataset"
    summary = "A dataset that the package `datasets` saved on this computer, or one of its hub that was downloaded."
    wanted = "a folder that the package `datasets` saved, or a name of its hub such as uoft-cs/cifar10"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A saved folder, or a name of the hub: one whose owner is no file or folder here, where a path was meant."""
        name = tables.hub_name(str(path))
        of_hub = name and not path.exists() and (not path.parent.exists() or tables.folder_of(name).exists())
        return tables.is_saved(path) or bool(of_hub)

    def fetch(self) -> None:
        if self._hub_name and not self._folder.exists():
            tables.download(self._hub_name, self._folder, self.report)

    @cached_property
    def _hub_name(self) -> str:
        """Empty for a folder."""
        return "" if self.root.exists() else tables.hub_name(self.data.path or "")

    @cached_property
    def _folder(self) -> Path:
        return tables.folder_of(self._hub_name) if self._hub_name else self.root

    @cached_property
    def _table(self) -> tables.Table:
        self.check()
        return tables.opened(self._folder, self._hub_name)

    @property
    def listing(self) -> Listing:
        return self._table.listing

    @property
    def absolute(self) -> str:
        return self._table.folder

    def item(self, pool: Pool, row: int) -> Item:
        return self._table.item(pool, row)
