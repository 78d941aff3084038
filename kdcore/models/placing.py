"""Networks on their device, with the memory layout and attention that are fastest there."""

import torch

from kdcore.models.tapped import Tapped


def placed(model: Tapped, device: torch.device) -> Tapped:
    """The model on the device, with weights in channels-last layout."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def trainable(model: Tapped) -> Tapped:
    """On a CPU, attention by plain matrix products: the fused kernel's backward is slow there; without it a small
    ViT trains about twice as fast (python -m benchmarks.engine)."""
    if model.mean.device.type == "cpu":
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                setattr(module, "fused_attn", False)  # noqa: B010 (no attribute that types know)
    return model
