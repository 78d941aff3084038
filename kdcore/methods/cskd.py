"""Cumulative spatial knowledge distillation: a ViT's patches follow what a CNN sees at their places, and later on the whole.

Zhao et al., ICCV 2023, https://arxiv.org/abs/2307.08500, after the authors' code (https://github.com/Zzzzz1/CSKD).
"""

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, coarser_grid
from kdcore.tensors.fields import Read
from kdcore.tensors.outputs import Batch, Outputs, Shapes

LOCAL_SHARE: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: 1 - progress,
    "square": lambda progress: (1 - progress) ** 2,
    "cosine": lambda progress: math.cos(math.pi / 2 * progress),
}


def cumulative_target(dense: Tensor, *, local: float) -> Tensor:
    """The teacher's logits at each place [B, K, H, W], with `local` of their own and the rest of their mean over places."""
    return local * dense + (1 - local) * dense.mean(dim=(2, 3), keepdim=True)


def cskd_loss(student: Tensor, target: Tensor, *, temperature: float | None = None) -> Tensor:
    """How far the student's answer at each place is from the target's, mean over places and batch.

    Args:
        student: logits [B, K, H, W].
        target: logits [B, K, H, W].
        temperature: None for the hard loss, cross-entropy to the target's class; else temperature^2 * KL(target || student)
            of the softened probabilities. (The authors sum the soft one over places, which makes it H W times larger.)
    """
    if temperature is None:
        return F.cross_entropy(student, target.argmax(dim=1))
    log_student = F.log_softmax(student / temperature, dim=1)
    log_target = F.log_softmax(target / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_target, reduction="none", log_target=True).sum(dim=1).mean()


class CSKD(Method):
    """Options:

    variant: `hard`, the target's class at each place, or `soft`, its probabilities at the term's temperature.
    decay: how the target goes from places to the whole over the run: `linear`, `square` (sooner) or `cosine` (later).
    """

    card = Card(
        title="Cumulative spatial knowledge distillation",
        summary="Each patch of the student ViT answers as the teacher CNN does at its place, later as it does of the image.",
        formula=r"\frac{1}{|G|} \sum_{g \in G} -\log p_S^{g}\left(\arg\max_k \left[a\, z_T^{g} + (1 - a)\, \bar z_T\right]_k\right),"
        r" \quad a = 1 - e",
        symbols=r"$G$ the places of the coarser grid, $z^g$ logits at a place, $\bar z$ their mean over places, which is the "
        r"teacher's answer; $e$ how far the run has come, from 0 to 1",
        paper="Zhao, Song & Liang, ICCV 2023",
        url="https://arxiv.org/abs/2307.08500",
        weight=1.0,
        temperature=1.0,
        source="The authors' ImageNet code: this at 1 beside 0.5 cross-entropy and 0.5 cross-entropy of a distillation token to "
        "the teacher's class (`hard_label`), RegNetY-16GF to DeiT, 300 epochs of AdamW. The temperature counts in the soft "
        "variant alone.",
        use="From a CNN to a ViT, where few images leave the patches without a sense of place.",
        avoid="The patches answer through a classifier of the method's own, which is dropped after training: the gain "
        "that remains is what the tokens learned. The authors keep it (it is their distillation token's) and average its "
        "answer into the prediction, so their figures are those of a larger classifier. With a weak teacher, single "
        "places are mostly noise.",
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
                "the teacher's classifier cannot be asked at single places: it was not trained on the mean over them. That of "
                "a class-token ViT, for one, never met a patch token. Take a CNN that averages its last map (a ResNet, a "
                "RegNet) as teacher, or the method 'kd'."
            )
        if not student.tokens:
            raise UserError(
                "the student has no patch tokens that could learn a sense of place: CSKD goes from a CNN to a ViT. Take a ViT "
                "as student, or the method 'fitnets' for hints between feature maps."
            )
        self.variant, self.decay = variant, decay
        width = student.features[-1][0]
        self.norm = nn.LayerNorm(width)  # the last block's tokens come before the network's own norm
        self.head = nn.Linear(width, teacher.classes)

    def reads(self) -> frozenset[Read]:
        return frozenset({Read("dense")})

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        assert teacher.dense is not None
        tokens = student.features[-1].permute(0, 2, 3, 1)
        ours = self.head(self.norm(tokens)).permute(0, 3, 1, 2)
        grid = coarser_grid(ours, teacher.dense)
        ours, theirs = F.adaptive_avg_pool2d(ours, grid), F.adaptive_avg_pool2d(teacher.dense, grid)
        target = cumulative_target(theirs, local=LOCAL_SHARE[self.decay](batch.progress))
        return cskd_loss(ours, target, temperature=temperature if self.variant == "soft" else None)
