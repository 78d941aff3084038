"""From a network to an ONNX graph with its normalisation inside, checked against PyTorch by onnxruntime.

Input `images`: float32 [batch, 3, S, S] in [0, 1], RGB. Output `logits`: float32 [batch, K]. The size of a batch is free.

The graph is first traced, which takes a second; a network that a trace does not describe, so that another size of batch gives
other logits, is exported by `torch.export` instead.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.errors import UserError, clipped
from kdcore.export.networks import libraries
from kdcore.export.networks.onnx_session import INPUT, OUTPUT, Session
from kdcore.files import scratch
from kdcore.models import Tapped, in_eval, parameters

TOLERANCE = 1e-4  # of a logit; relative to the largest one where that is above 1
LARGEST = 450_000_000  # parameters: protobuf holds 2 GB
OPSET = 20  # the first with GELU, of 2023
TRACED_WITH, CHECKED_WITH = 2, (1, 3)  # images in a batch


@dataclass(frozen=True)
class Graph:
    """An ONNX model.

    difference: the largest difference of a logit to PyTorch's, over random images.
    """

    model: Any
    difference: float


class Normalising(nn.Module):
    """Images [B, 3, S, S] in [0, 1] -> logits [B, K]."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Tapped) -> None:
        super().__init__()
        self.net = network.net
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Any = self.net((images - self.mean) / self.std)
        found: Tensor = outputs if isinstance(outputs, Tensor) else outputs[0]  # Inception adds auxiliary logits
        return found


def exported(network: Tapped) -> Graph:
    """The ONNX graph of a network on the CPU.

    Raises:
        UserError: a library is missing, the network is too large for one file, or it cannot be expressed in ONNX.
    """
    libraries.needed("onnx"), libraries.needed("onnxruntime")
    if (count := parameters(network)) > LARGEST:
        raise UserError(
            f"{network.name} has {count / 1e6:,.0f} million parameters; one ONNX file holds up to {LARGEST / 1e6:,.0f} million (2 GB). "
            "Export it as .safetensors or as a folder (--format hub)."
        )
    reasons = []
    with in_eval(network), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what is checked below
        module = Normalising(network).eval()
        for attempt in (_traced, _exported):
            try:
                return _checked(attempt, module, network)
            except UserError as error:
                reasons.append(str(error))
            except Exception as error:  # the exporters raise errors of many kinds
                reasons.append((str(error).strip().splitlines() or [type(error).__name__])[0])
    raise UserError(
        f"{network.name} cannot be exported as ONNX: {clipped(reasons[-1])}. Export it as .safetensors or as a folder (--format hub)."
    )


def difference(network: Tapped, session: Session) -> tuple[float, float]:
    """The largest difference of a logit to PyTorch's, and the largest logit, over random images in batches of several sizes."""
    side, generator = network.image_size, torch.Generator().manual_seed(0)
    apart = largest = 0.0
    for count in CHECKED_WITH:
        images = torch.rand(count, 3, side, side, generator=generator)
        with in_eval(network), torch.no_grad():
            wanted = network(images).logits
        found = torch.from_numpy(session.logits(images.numpy()))
        if found.shape != wanted.shape or not torch.isfinite(found).all():
            raise UserError(f"onnxruntime gives logits {list(found.shape)}, PyTorch finite ones {list(wanted.shape)}")
        apart = max(apart, (found - wanted).abs().max().item())
        largest = max(largest, wanted.abs().max().item())
    return apart, largest


def _checked(attempt: Callable[[nn.Module, Tensor], Any], module: nn.Module, network: Tapped) -> Graph:
    images = torch.rand(TRACED_WITH, 3, network.image_size, network.image_size)
    model = attempt(module, images)
    apart, largest = difference(network, Session(model.SerializeToString()))
    if apart > TOLERANCE * max(1.0, largest):
        raise UserError(f"its logits differ by {apart:.1e} from PyTorch's, more than {TOLERANCE:g}")
    return Graph(model, apart)


def _traced(module: nn.Module, images: Tensor) -> Any:
    onnx = libraries.needed("onnx")
    silent = module.register_forward_pre_hook(_without_a_log)
    with scratch.folder() as folder:
        file = folder / "traced.onnx"
        free = {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}
        names = {"input_names": [INPUT], "output_names": [OUTPUT], "dynamic_axes": free}
        try:
            torch.onnx.export(module, (images,), file, dynamo=False, opset_version=OPSET, **names)  # type: ignore[arg-type]
        finally:
            silent.remove()
        return onnx.load(file)


def _without_a_log(_module: nn.Module, _inputs: object) -> None:
    """Of a graph that fails PyTorch 2.15 prints all of it; it switches that on at the start of each export."""
    if switch := getattr(torch._C, "_jit_set_onnx_log_enabled", None):
        switch(False)


def _exported(module: nn.Module, images: Tensor) -> Any:
    libraries.needed("onnxscript")
    program = torch.onnx.export(
        module, (images,), input_names=[INPUT], output_names=[OUTPUT], dynamo=True, verbose=False, opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    assert program is not None
    return program.model_proto
