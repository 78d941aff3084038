"""The maps of a few pinned images in the midst of training, at the cost of one forward a network."""

import numpy as np
import torch
from torch import Tensor

from kdcore.explain.maps.base import left_as_it_was
from kdcore.models import Tapped
from kdcore.tensors.energy import energy
from kdcore.tensors.outputs import Outputs


def take(models: dict[str, Tapped], images: Tensor) -> dict[str, np.ndarray]:
    """Each network's own map and what it says, by its name: NAME float16 [n, H, W], NAME_probabilities float16 [n, K].

    The maps sum to 1; one that says nothing (a network that has diverged) is NaN, since a probe must not end a run.
    The models are left as they were, with BatchNorm's statistics and the random state, so that training goes on as if
    nobody had looked.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, model in models.items():
        own = "attention" if model.has_attention else "features"
        with left_as_it_was(model), torch.no_grad():
            outputs = model(images, frozenset({"logits", own}))
        maps = _own_map(outputs)
        arrays[name] = (maps / maps.sum(dim=(1, 2), keepdim=True)).half().cpu().numpy()
        arrays[f"{name}_probabilities"] = outputs.logits.float().softmax(dim=1).half().cpu().numpy()
    return arrays


def _own_map(outputs: Outputs) -> Tensor:
    """What `default_map` names, of the last layer."""
    return outputs.attention[-1].float().mean(dim=1) if outputs.attention else energy(outputs.features[-1])
