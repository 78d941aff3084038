import pytest
import torch

from kdcore.teacher_cache.rows import Layout


def there_and_back(tensors):
    layout = Layout.of(tensors)
    rows = layout.pack(tensors)
    assert rows.dtype == torch.float16
    assert rows.shape == (3, layout.width)
    return layout.unpack(rows)


def test_numbers_come_back_to_within_one_part_in_2048():
    torch.manual_seed(0)
    tensors = {"logits": 20 * torch.randn(3, 10), "qkv": torch.randn(3, 3, 2, 4, 5, 5), "map": torch.randn(3, 6, 4, 4)}
    for name, found in there_and_back(tensors).items():
        torch.testing.assert_close(found, tensors[name], rtol=1 / 2048, atol=1e-6)


@pytest.mark.parametrize("size", [1e-20, 1e-6, 1.0, 70_000.0, 1e9])
def test_neither_large_nor_small_numbers_are_lost(size):
    torch.manual_seed(0)
    tensors = {"map": size * torch.randn(3, 2, 4, 4), "logits": torch.randn(3, 5)}
    found = there_and_back(tensors)
    torch.testing.assert_close(found["map"], tensors["map"], rtol=1 / 2048, atol=1e-7 * size)


def test_a_row_of_zeros_stays_so():
    assert there_and_back({"map": torch.zeros(3, 2, 2, 2)})["map"].eq(0).all()


def test_maps_come_back_with_their_channels_last_in_memory():
    found = there_and_back({"map": torch.randn(3, 6, 4, 4)})["map"]
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_row_takes_two_bytes_a_number_an_exponent_a_tensor_and_a_checksum():
    layout = Layout.of({"logits": torch.zeros(1, 10), "map": torch.zeros(1, 1, 14, 14)})
    assert layout.row_bytes == 2 * (10 + 196) + 2 * 2 + 4
