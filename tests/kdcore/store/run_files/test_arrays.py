"""Arrays from .npz files are those of numpy's own reader; what is not numbers is refused."""

import re

import numpy as np
import pytest

from kdcore.errors import UserError
from kdcore.store.run_files import arrays


def test_every_shape_type_and_order_is_read_as_numpy_reads_it(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(
        path,
        nothing=np.empty((0, 3), np.float32), number=np.array(7.5), maps=np.arange(24, dtype=np.float16).reshape(2, 3, 4),
        columns=np.asfortranarray(np.arange(6).reshape(2, 3)), flags=np.array([True, False]), bytes=np.arange(3, dtype=np.uint8),
    )  # fmt: skip
    found = arrays.read(path)
    with np.load(path) as expected:
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
            assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
            assert not found[name].flags.writeable


def test_objects_are_refused_and_never_unpickled(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, text=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match=re.escape(f"{path} is damaged: it has entries that are not numbers.")):
        arrays.read(path)


@pytest.mark.parametrize("size, accepted", [(999, False), (1000, True)])
def test_a_file_may_have_as_many_bytes_as_the_limit(tmp_path, monkeypatch, size, accepted):
    path = tmp_path / "some.npz"
    np.savez(path, values=np.zeros(872, np.uint8))  # 128 bytes of header
    monkeypatch.setattr(arrays, "MOST_BYTES", size)
    if accepted:
        assert len(arrays.read(path)["values"]) == 872
    else:
        with pytest.raises(UserError, match="it has 1,000 bytes; at most 999 are read"):
            arrays.read(path)


def test_the_limit_is_a_gibibyte():
    assert arrays.MOST_BYTES == 1024**3
