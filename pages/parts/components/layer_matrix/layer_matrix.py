"""The similarity of every layer of one network with every layer of another. A cell that is chosen is explained in words."""

from collections.abc import Sequence

import numpy as np

from pages.parts.components.loading import component

KEY = "layer_matrix"

_component = component(KEY)


def draw(values: np.ndarray, rows: tuple[str, Sequence[str]], columns: tuple[str, Sequence[str]]) -> None:
    """Draw the matrix.

    Args:
        values: float [L1, L2] from 0 to 1, NaN where it is not defined.
        rows, columns: of each side the network's name, as in "layer 3 of the student", and the names of its layers.
    """
    plain = [[None if np.isnan(value) else round(float(value), 3) for value in row] for row in values]
    sides = {
        side: {"name": name, "layers": list(layers)} for side, (name, layers) in (("rows", rows), ("columns", columns))
    }
    _component(key=KEY, data={"values": plain, **sides})
