"""From an ONNX graph to one in INT8: static quantisation by onnxruntime, calibrated on validation images, never on test images.

The file has quantize/dequantize pairs (QDQ), which any runtime of ONNX reads: int8 weights with a scale for each output channel, and
uint8 activations with one scale a tensor, from the least and the largest value over the calibration images. These are onnxruntime's
recommendations for CPUs (its documentation of `quantize_static`).
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdcore.data import loading
from kdcore.errors import UserError, clipped
from kdcore.export.networks import evaluating, libraries
from kdcore.export.networks.onnx_session import INPUT, Session
from kdcore.files import scratch
from kdcore.recipe import DataRecipe

IMAGES = 256  # for calibration
LEAST_IMAGES = 10
# Of a transformer only these: between them, its activations have few large values, which one scale for a tensor rounds away.
PRODUCTS = ["Conv", "MatMul", "Gemm"]


@dataclass(frozen=True)
class Calibration:
    """batches: float32 [B, 3, S, S] in [0, 1]. split: validation, or train where the run has too few validation images."""

    batches: tuple[np.ndarray, ...]
    split: str

    def __str__(self) -> str:
        kind = "validation" if self.split == "validation" else "training"
        return f"{sum(map(len, self.batches))} {kind} images"


def calibration(data: DataRecipe, at_most: int = IMAGES) -> Calibration:
    """Images to calibrate with: validation images, or training images where there are too few of them.

    Raises:
        UserError: they are not on this machine, or too few.
    """
    for split in [name for name in ("validation", "train") if name in loading.splits(data)]:
        found = loading.load(data, split, at_most=at_most)
        if len(found) >= LEAST_IMAGES:
            return Calibration(tuple(evaluating.arrays(found)), split)
    raise UserError(
        f"INT8 is calibrated on validation or training images; {data.name} has fewer than {LEAST_IMAGES} of either here. "
        "Export without INT8, or add images."
    )


def quantised(model: Any, images: Calibration) -> Any:
    """The ONNX model in INT8.

    Raises:
        UserError: onnxruntime cannot quantise or run it, or its logits are not finite.
    """
    quantization = libraries.needed("onnxruntime.quantization")
    shapes = libraries.needed("onnxruntime.quantization.shape_inference")
    onnx = libraries.needed("onnx")
    with scratch.folder() as folder, _quiet():
        plain, prepared, made = (folder / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        onnx.save(model, plain)
        try:
            shapes.quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared), str(made), _Reader(images.batches),
                quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                op_types_to_quantize=PRODUCTS if _is_transformer(model) else None,
            )  # fmt: skip
            found = onnx.load(made)
        except Exception as error:  # onnxruntime raises errors of many kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"The network cannot be quantised to INT8: {clipped(reason)}. Export it as ONNX (--format onnx)."
            ) from None
    _check_runs(found, images.batches[0])
    return found


def _is_transformer(model: Any) -> bool:
    return any(node.op_type == "LayerNormalization" for node in model.graph.node)


def _check_runs(model: Any, images: np.ndarray) -> None:
    session = Session(model.SerializeToString())
    for batch in (images[:1], images[:3]):
        if not np.isfinite(session.logits(batch)).all():
            raise UserError(
                "The network in INT8 has logits that are not finite. Export it as ONNX instead (--format onnx)."
            )


class _Reader:
    """The images as onnxruntime's calibration reads them: batch by batch, then None."""

    def __init__(self, batches: Sequence[np.ndarray]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's remarks on the root logger."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
