"""Class attention transfer: the student's class activation maps match the teacher's.

Guo et al., CVPR 2023, https://arxiv.org/abs/2304.12777, after the authors' code (https://github.com/GzyAftermath/CAT-KD).
The maps of all classes are the classifier applied at every position of the last feature map. The authors' classifiers have
no bias; here the bias of a classifier is part of its maps.
"""

import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, Side
from kdcore.tensors.outputs import Batch, Outputs, Shapes


def cat_kd_loss(student: Tensor, teacher: Tensor, *, resolution: int = 2, normalise: bool = True) -> Tensor:
    """Mean squared difference of the pooled class activation maps, over all elements.

    Args:
        student: class activation maps [B, K, H, W].
        teacher: class activation maps [B, K, H', W'].
        resolution: side of the grid that both are pooled to.
        normalise: whether each pooled map is scaled to length 1.
    """
    maps = [F.adaptive_avg_pool2d(each, resolution) for each in (student, teacher)]
    if normalise:
        maps = [F.normalize(each.flatten(2), dim=2) for each in maps]
    return F.mse_loss(maps[0], maps[1])


class CATKD(Method):
    """Options:

    resolution: side of the grid that the class activation maps are pooled to.
    normalise: scale each pooled map to length 1, so that only where it is strong counts.
    """

    card = Card(
        title="Class attention transfer",
        summary="The student's class activation maps match the teacher's, for all classes.",
        formula=r"\frac{1}{K} \sum_{k} \operatorname{mean}\left(\frac{\phi(M_{S}^{k})}{\lVert \phi(M_{S}^{k}) \rVert_2} - "
        r"\frac{\phi(M_{T}^{k})}{\lVert \phi(M_{T}^{k}) \rVert_2}\right)^2",
        symbols=r"$M^k$ the class activation map of class $k$, $\phi$ average pooling to `resolution`, $K$ classes",
        paper="Guo et al., CVPR 2023",
        url="https://arxiv.org/abs/2304.12777",
        weight=400.0,
        source="The authors' default configuration for CIFAR-100: cross-entropy 1, this 400, maps of 2 x 2, normalised, batches "
        "of 64.",
        use="Between CNNs whose classifier reads the mean of the last feature map, where the heatmaps should agree too.",
        avoid="Normalised maps carry no confidence, so combine it with cross-entropy or kd. A finer grid than the teacher's "
        "maps adds nothing.",
        compares="attention",
    )
    needs = frozenset({"dense"})

    def __init__(
        self, student: Shapes, teacher: Shapes | None, *, resolution: Side = 2, normalise: bool = True
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if resolution < 1:
            raise UserError(f"resolution {resolution} is below 1; the authors use 2.")
        for who, shapes in {"student": student, "teacher": teacher}.items():
            if shapes.dense is None:
                raise UserError(
                    f"the {who} has no class activation maps, as its classifier does not read the mean of the last feature "
                    f"map. Use a CNN that averages its last map (a ResNet, a RegNet) as the {who}, or the method attention."
                )
        self.resolution, self.normalise = resolution, normalise

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        assert student.dense is not None
        assert teacher.dense is not None
        return cat_kd_loss(student.dense, teacher.dense, resolution=self.resolution, normalise=self.normalise)
