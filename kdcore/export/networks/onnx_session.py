"""ONNX files run by onnxruntime: logits of images, and what a file says of itself. Without torch."""

from pathlib import Path
from typing import Any

import numpy as np

from kdcore.errors import UserError, clipped
from kdcore.export.networks import libraries
from kdcore.runtime import cores

INPUT, OUTPUT = "images", "logits"


class Session:
    """A network in an ONNX file, on the CPU."""

    def __init__(self, file: Path | bytes, threads: int | None = None) -> None:
        """Raises UserError where onnxruntime is missing or cannot run the file."""
        onnxruntime = libraries.needed("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores.threads()
        options.log_severity_level = 3  # errors, which are raised as well
        source = file if isinstance(file, bytes) else str(file)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common class
            raise UserError(f"onnxruntime cannot run it: {clipped(str(error).splitlines()[0])}") from None

    @property
    def metadata(self) -> dict[str, str]:
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def logits(self, images: np.ndarray) -> np.ndarray:
        """[B, K] of images [B, 3, S, S], float32 in [0, 1]."""
        found: Any = self._session.run([OUTPUT], {INPUT: images})[0]
        return np.asarray(found)
