import threading

import pytest
import torch

from kdcore.data import prefetch
from kdcore.data.batches import batches
from kdcore.data.split import Split

PIXELS = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1).expand(20, 4, 4, 3).contiguous()


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def parts(*places: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(rows) for rows in places]


def test_parts_come_in_their_order():
    asked = parts(*([i, 19 - i] for i in range(20)))
    found = list(prefetch.prefetched(PIXELS, asked, pinned=False))
    assert [images[:, 0, 0, 0].tolist() for images in found] == [rows.tolist() for rows in asked]


def test_the_thread_ends_with_the_last_part():
    list(prefetch.prefetched(PIXELS, parts([1], [2]), pinned=False))
    assert not readers()


def test_the_thread_ends_when_the_epoch_is_left_early():
    images = PIXELS.permute(0, 3, 1, 2)
    split = Split("train", ("a", "b"), images, torch.arange(20) % 2, streamed=True)
    epoch = batches(split, 2, seed=0, epoch=0)
    next(epoch)
    assert readers()
    epoch.close()
    assert not readers()


def test_no_more_than_a_few_batches_wait(monkeypatch):
    asked = []

    class Watched(torch.Tensor):
        def index_select(self, *arguments):
            asked.append(arguments)
            return super().index_select(*arguments)

    found = prefetch.prefetched(PIXELS.as_subclass(Watched), parts(*([i] for i in range(20))), pinned=False)
    next(found)
    assert len(asked) <= prefetch.PREFETCHED + 1
    found.close()


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_asked_for():
    found = prefetch.prefetched(PIXELS, parts([0], [1], [99], [3]), pinned=False)
    assert [int(next(found)[0, 0, 0, 0]) for _ in range(2)] == [0, 1]
    with pytest.raises(IndexError, match="index out of range"):
        next(found)
    assert not readers()
