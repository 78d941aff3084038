"""Maps of a few pinned images during training, at the cost of one forward a network."""

import numpy as np
import torch
from torch import Tensor

from kdcore.explain import maps
from kdcore.explain.base import MapOptions
from kdcore.explain.heatmaps import default_map
from kdcore.explain.reading.hooks import left_as_it_was
from kdcore.models import Tapped


def take(models: dict[str, Tapped], images: Tensor) -> dict[str, np.ndarray]:
    """Each network's own map and predictions, by its name: NAME float16 [n, H, W], NAME_probabilities float16 [n, K].

    The maps sum to 1; one that is empty (of a network that has diverged) is NaN, since a probe must not end a run. The
    models, BatchNorm's statistics and the random state are left as they were, so that training goes on unchanged.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, model in models.items():
        with left_as_it_was(model), torch.no_grad():
            logits, found = maps.get(default_map(model)).maps(model, images, MapOptions())
        arrays[name] = (found / found.sum(dim=(1, 2), keepdim=True)).half().cpu().numpy()
        arrays[f"{name}_probabilities"] = logits.float().softmax(dim=1).half().cpu().numpy()
    return arrays
