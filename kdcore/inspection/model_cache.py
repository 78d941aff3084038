"""A cache of the networks used last, limited in number and size, and the number of threads that they compute with."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import torch

from kdcore import explain, models
from kdcore.models import Tapped
from kdcore.models.sources import Source, find
from kdcore.store import Store

SIZE = 6  # networks
MOST_BYTES = 2 << 30  # of their tensors together; one alone may be larger


class ModelCache:
    """The networks used last, each loaded again where its file has changed. Not for several threads at once."""

    def __init__(self, store: Store, device: torch.device) -> None:
        self._store = store
        self._device = device
        self._models: OrderedDict[tuple[str, int], Tapped] = OrderedDict()

    def get(self, reference: str) -> Tapped:
        """A `ready` copy of a network. Raises UserError where there is no such network."""
        source = find(reference, self._store)
        changed = source.path.stat().st_mtime_ns if isinstance(source, Source) else 0
        key = (reference, changed)
        if key not in self._models:
            for old in [known for known in self._models if known[0] == reference]:
                del self._models[old]
            self._models[key] = explain.ready(models.load(reference, runs=self._store).to(self._device))
            while len(self._models) > SIZE or (len(self._models) > 1 and self._size() > MOST_BYTES):
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _size(self) -> int:
        return sum(tensor.nbytes for model in self._models.values() for tensor in model.state_dict().values())


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """torch's number of threads belongs to each Python thread: set where it computes, and put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
