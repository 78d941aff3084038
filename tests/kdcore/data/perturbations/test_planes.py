"""The bytes of a split's images at some places: equal to indexing, whatever the layout, and neighbours are not copied."""

import pytest
import torch

from kdcore.data.perturbations import planes

IMAGES = torch.arange(5 * 3 * 2 * 4, dtype=torch.uint8).reshape(5, 2, 4, 3).permute(0, 3, 1, 2)  # channels last


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("places", [[0, 1, 2], [3], [4, 2, 2], [2, 1], []])
def test_images_are_those_of_indexing_in_the_layout_that_is_wanted(places: list[int], first: bool) -> None:
    wanted = torch.tensor(places, dtype=torch.int64)
    found = planes.picked(IMAGES, planes.in_a_row(wanted), first=first)
    assert torch.equal(found, IMAGES[wanted])
    layout = torch.contiguous_format if first else torch.channels_last
    assert found.is_contiguous(memory_format=layout)


def test_neighbours_in_their_order_are_a_slice_and_others_are_not() -> None:
    assert planes.in_a_row(torch.tensor([2, 3, 4])) == slice(2, 5)
    assert planes.in_a_row(torch.tensor([], dtype=torch.int64)) == slice(0, 0)
    for places in ([2, 4], [3, 2], [1, 1]):
        assert torch.is_tensor(planes.in_a_row(torch.tensor(places)))
    part = planes.picked(IMAGES, slice(1, 3))
    assert part.untyped_storage().data_ptr() == IMAGES.untyped_storage().data_ptr()


def test_images_with_channels_first_are_kept_once_as_long_as_the_split_and_not_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = (planes.picked(IMAGES, slice(0, 2), first=True) for _ in range(2))
    assert one.data_ptr() == other.data_ptr()
    many = IMAGES.clone()
    monkeypatch.setattr(planes, "MOST", many.numel() - 1)
    found = planes.picked(many, slice(1, 3), first=True)
    assert torch.equal(found, IMAGES[1:3])
    assert many not in planes._first
