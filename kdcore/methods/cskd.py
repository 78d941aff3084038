"""Cumulative spatial distillation: a ViT's patch tokens learn a CNN's predictions at their positions.

Zhao et al., ICCV 2023, https://arxiv.org/abs/2307.08500, after the authors' code (https://github.com/Zzzzz1/CSKD).
"""

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, coarser_grid
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes

LOCAL_SHARE: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: 1 - progress,
    "square": lambda progress: (1 - progress) ** 2,
    "cosine": lambda progress: math.cos(math.pi / 2 * progress),
}


def cumulative_target(dense: Tensor, *, local: float) -> Tensor:
    """Teacher logits at each position [B, K, H, W]: `local` times their own plus the rest times their mean over positions."""
    return local * dense + (1 - local) * dense.mean(dim=(2, 3), keepdim=True)


def cskd_loss(student: Tensor, target: Tensor, *, temperature: float | None = None) -> Tensor:
    """Loss of the student's logits at each position, mean over positions and batch.

    Args:
        student: logits [B, K, H, W].
        target: logits [B, K, H, W].
        temperature: None for the hard loss, cross-entropy to the target's class; else temperature^2 * KL(target || student)
            of the softened probabilities. (The authors sum the soft one over positions, which makes it H W times larger.)
    """
    if temperature is None:
        return F.cross_entropy(student, target.argmax(dim=1))
    log_student = F.log_softmax(student / temperature, dim=1)
    log_target = F.log_softmax(target / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_target, reduction="none", log_target=True).sum(dim=1).mean()


class CSKD(Method):
    """Options:

    variant: `hard`, the teacher's class at each position, or `soft`, its probabilities at the term's temperature.
    decay: how the target moves from local to global over the run: `linear`, `square` (sooner) or `cosine` (later).
    """

    card = Card(
        title="Cumulative spatial knowledge distillation",
        summary="Each patch token of a ViT learns the CNN's prediction at its position, and later the one for the whole image.",
        formula=r"\frac{1}{|G|} \sum_{g \in G} -\log p_S^{g}\left(\arg\max_k \left[a\, z_T^{g} + (1 - a)\, \bar z_T\right]_k\right),"
        r" \quad a = 1 - e",
        symbols=r"$G$ the positions of the coarser grid, $z^g$ logits at a position, $\bar z$ their mean over positions, which is "
        r"the teacher's logits; $e$ the progress of the run, from 0 to 1",
        paper="Zhao, Song & Liang, ICCV 2023",
        url="https://arxiv.org/abs/2307.08500",
        weight=1.0,
        temperature=1.0,
        source="The authors' ImageNet code: this at 1 beside 0.5 cross-entropy and 0.5 cross-entropy of a distillation token to "
        "the teacher's class (`hard_label`), RegNetY-16GF to DeiT, 300 epochs of AdamW. Only the soft variant uses the "
        "temperature.",
        use="From a CNN to a ViT that has few training images to learn spatial structure from.",
        avoid="The patch tokens are classified by a layer of the method's own, which is dropped after training: only what the "
        "tokens learned remains. The authors keep it (it is their distillation token's) and average it into the prediction, "
        "so their figures are those of a larger classifier. With a weak teacher, predictions at single positions are "
        "mostly noise.",
        differs="The share of the local predictions falls at every step; in the authors' code it falls once an epoch.",
        compares="logits",
    )
    needs = frozenset({"features", "dense"})
    uses_temperature = True

    def __init__(
        self, student: Shapes, teacher: Shapes | None, *, variant: str = "hard", decay: str = "linear"
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if variant not in ("hard", "soft"):
            raise UserError(f"variant {variant!r} is not one of 'hard', 'soft'.")
        if decay not in LOCAL_SHARE:
            raise UserError(f"decay {decay!r} is not one of {', '.join(LOCAL_SHARE)}.")
        if teacher.dense is None:
            raise UserError(
                "the teacher's classifier cannot be applied at single positions, as it does not read the mean over them: that of "
                "a ViT with a class token was never trained on patch tokens. Use a CNN that averages its last map (a ResNet, "
                "a RegNet) as the teacher, or the method kd."
            )
        if not student.tokens:
            raise UserError(
                "the student has no patch tokens: CSKD distils a CNN into a ViT. Use a ViT as the student, or the method fitnets "
                "for hints between feature maps."
            )
        self.variant, self.decay = variant, decay
        width = student.features[-1][0]
        self.norm = nn.LayerNorm(width)  # the last block's tokens come before the network's own norm
        self.head = nn.Linear(width, teacher.classes)

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("dense")})

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        assert teacher.dense is not None
        tokens = student.features[-1].permute(0, 2, 3, 1)
        student_logits = self.head(self.norm(tokens)).permute(0, 3, 1, 2)
        grid = coarser_grid(student_logits, teacher.dense)
        student_logits, teacher_logits = (
            F.adaptive_avg_pool2d(student_logits, grid),
            F.adaptive_avg_pool2d(teacher.dense, grid),
        )
        target = cumulative_target(teacher_logits, local=LOCAL_SHARE[self.decay](batch.progress))
        return cskd_loss(student_logits, target, temperature=temperature if self.variant == "soft" else None)
