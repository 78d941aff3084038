"""One-for-all distillation: classifiers at several depths of the student learn the teacher's probabilities.

Hao et al., One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation, NeurIPS 2023,
https://arxiv.org/abs/2310.19444. Feature maps of different architectures are not comparable, class probabilities are; so each
exit maps features to logits. The exits belong to the method and are dropped after training. Their shapes are those of the
authors' code (https://github.com/Hao840/OFAKD), except that a ViT's exit reads the mean of its patch tokens.
"""

import math

import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.methods.base import Card, Factor, Method
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

Shape = tuple[int, int, int]  # C, H, W
VIT_DEPTHS = (2, 4, 10, 12)  # the authors' exits: after these blocks of 12
FINEST_GRID = 7  # a ViT's tokens are merged 2 x 2 while the grid stays at least this large


def ofa_loss(student: Tensor, teacher: Tensor, targets: Tensor, *, enhancement: float = 1.0) -> Tensor:
    """Cross-entropy with the teacher's probabilities p, the target's raised to (1 + p)^enhancement - 1, the others' to
    p^enhancement. Sum over classes, mean over the batch.

    Args:
        student: logits [B, K].
        teacher: logits [B, K].
        targets: [B]; where the label is withheld (`NO_LABEL`), no class is enhanced.
    """
    target = F.one_hot(targets.clamp(min=0), student.shape[1]) * (targets != NO_LABEL)[:, None]
    target_p = (teacher.softmax(dim=1) + target) ** enhancement - target
    return -(target_p * F.log_softmax(student, dim=1)).sum(dim=1).mean()


class OFA(Method):
    """Options:

    enhancement: above 1 raises the target of the label above the teacher's probability; 1 leaves it unchanged.
    exits: the feature maps that get a classifier, negative from the end. Default: a CNN's last four stages, a ViT's blocks
        at 2, 4, 10 and 12 twelfths of its depth.
    """

    card = Card(
        title="One-for-all",
        summary="Classifiers at several depths of the student, and its own, learn the teacher's class probabilities.",
        formula=r"\sum_{e} -\sum_{k} \left( \left(p_{T}(k) + 1_{k=y}\right)^{\epsilon} - 1_{k=y} \right) \log p_{S}^{e}(k)",
        symbols=r"$e$ the exits and the student's own classifier, $y$ the label, $\epsilon$ the option `enhancement`",
        paper="Hao et al., NeurIPS 2023",
        url="https://arxiv.org/abs/2310.19444",
        weight=1.0,
        source="The authors' code: cross-entropy 1, this 1 (a sum over four exits and the classifier), temperature 1, "
        "enhancement 1 on CIFAR-100 and 1.5 on ImageNet.",
        use="Between different architectures, in either direction: the reference there.",
        avoid="The exits add time and parameters to training. Its value is a cross-entropy, so above 0 even for equal "
        "networks.",
        compares="logits",
    )
    needs = frozenset({"logits", "features"})
    refuses_mixed = "it raises the teacher's probability of the label's class, and a mixed image has two labels"

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        enhancement: Factor = 1.0,
        exits: list[int] | None = None,
    ) -> None:
        super().__init__(student, teacher)
        assert teacher is not None
        if enhancement < 1:
            raise UserError(
                f"enhancement {enhancement:g} would lower the target of the label; use 1 for the teacher's probabilities "
                "unchanged, or more to raise the label."
            )
        if not student.features:
            raise UserError("the student has no feature maps for the exits. Use kd or dist, which need logits only.")
        self.enhancement = enhancement
        self.exits = _exits(student, exits)
        width, last = max(student.pooled, teacher.pooled), len(self.exits) - 1
        self.heads = nn.ModuleList(
            TokenExit(student.features[index], max(last - place, 1), student.classes)
            if student.tokens
            else map_exit(student.features[index], width, last - place, student.classes)
            for place, index in enumerate(self.exits)
        )
        self.heads.apply(_initialise)

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({OutputPart("logits")})

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        exits = (head(student.features[index]) for head, index in zip(self.heads, self.exits, strict=True))
        losses = [
            ofa_loss(logits, teacher.logits, batch.targets, enhancement=self.enhancement)
            for logits in (student.logits, *exits)
        ]
        return sum(losses[1:], losses[0])


def map_exit(shape: Shape, width: int, following: int, classes: int) -> nn.Sequential:
    """From a map [B, C, H, W] to logits [B, K]: halved once for each stage that follows, widened, averaged over the grid."""
    channels, side = shape[0], min(shape[1:])
    body: list[nn.Module] = [] if following else [nn.Conv2d(channels, width, 1)]
    for step in range(following):
        wider = width if step == following - 1 else 2 * channels
        # BatchNorm cannot normalise a single cell of a last batch that holds one image
        body.append(_separable(channels, wider, stride=2 if side > 2 else 1))
        channels, side = wider, (side + 1) // 2
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def _separable(source: int, target: int, *, stride: int) -> nn.Sequential:
    """Two depthwise separable convolutions."""
    return nn.Sequential(
        nn.Conv2d(source, source, 3, stride=stride, padding=1, groups=source, bias=False),
        nn.Conv2d(source, source, 1, bias=False),
        nn.BatchNorm2d(source),
        nn.ReLU(),
        nn.Conv2d(source, source, 3, padding=1, groups=source, bias=False),
        nn.Conv2d(source, target, 1, bias=False),
        nn.BatchNorm2d(target),
        nn.ReLU(),
    )


class TokenExit(nn.Module):
    """From a ViT's patch tokens as a map [B, C, H, W] to logits [B, K]: merged 2 x 2, some blocks, the mean over tokens."""

    def __init__(self, shape: Shape, blocks: int, classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        merges: list[nn.Module] = []
        while height % 2 == width % 2 == 0 and min(height, width) // 2 >= FINEST_GRID:
            height, width = height // 2, width // 2
            merges.append(Merge(channels))
        self.merges = nn.Sequential(*merges)
        heads = next(heads for heads in (4, 3, 2, 1) if channels % heads == 0)
        self.blocks = nn.Sequential(*(Block(channels, heads) for _ in range(blocks)))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        tokens = self.merges(features).flatten(2).transpose(1, 2)  # [B, N, C]
        return self.classifier(self.blocks(tokens).mean(dim=1))


class Merge(nn.Module):
    """Each 2 x 2 tokens of a map [B, C, H, W] become one of the same width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, channels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        stacked = F.pixel_unshuffle(features, 2).permute(0, 2, 3, 1)  # [B, H / 2, W / 2, 4 C]
        return F.gelu(self.reduction(self.norm(stacked))).permute(0, 3, 1, 2)


def _exits(student: Shapes, requested: list[int] | None) -> list[int]:
    """Indices of the feature maps that get an exit, from shallow to deep."""
    maps = len(student.features)
    if requested is None:
        vit = {math.ceil(depth * maps / 12) - 1 for depth in VIT_DEPTHS}  # a set: blocks coincide in a shallow one
        return sorted(vit) if student.tokens else list(range(max(maps - 4, 0), maps))
    if not requested or any(not -maps <= index < maps for index in requested):
        raise UserError(
            f"exits {requested} must name one or more of the student's {maps} feature maps, from 0 to {maps - 1}, or negative "
            "from the end."
        )
    return sorted({int(index) % maps for index in requested})


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
