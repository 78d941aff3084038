"""Attention alignment: the student's attention maps match the teacher's, layer by layer, weighted by entropy.

A ViT's map is its class token's attention, a CNN's the energy of its activations (Zagoruyko & Komodakis, ICLR 2017,
https://arxiv.org/abs/1612.03928). Both are brought to one grid and to sum 1, so that a divergence of distributions
compares them. A mean squared error of such maps has next to no effect: its gradient is thousands of times smaller.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from kdcore.errors import UserError
from kdcore.methods.base import Card, Method, Positive, Share
from kdcore.runtime import distributed
from kdcore.tensors.energy import energy
from kdcore.tensors.fields import OutputPart
from kdcore.tensors.outputs import Batch, Outputs, Shapes
from kdcore.weighting import LayerWeights

TINY = 1e-8


def spatial_maps(outputs: Outputs) -> list[Tensor]:
    """A network's attention maps, one [B, H, W] per layer, each summing to 1.

    The class token's attention averaged over heads where there is any, else the mean energy of the channels, feature².
    """
    if outputs.attention:
        maps = [layer.mean(dim=1) for layer in outputs.attention]
    else:
        maps = [energy(layer) for layer in outputs.features]
    return [_to_one(layer) for layer in maps]


def attention_loss(student: Tensor, teacher: Tensor, *, divergence: str = "kl") -> Tensor:
    """Divergence of the student's map from the teacher's, mean over the batch.

    Args:
        student: map [B, H, W] that sums to 1 over H, W; the finer of the two is pooled to the coarser grid.
        teacher: map [B, H', W'], likewise.
        divergence: `kl`, KL(teacher || student), or `js`, in nats; `l2`, the mean squared difference of the maps as
            unit vectors, as in attention transfer; `mse`, the mean squared difference of the maps themselves.
    """
    student, teacher = to_one_grid(student, teacher)
    return DIVERGENCES[divergence](student.flatten(1), teacher.flatten(1))


def to_one_grid(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Pool two maps [B, H, W] to the coarser of their grids, each summing to 1 again."""
    grid = (min(one.shape[1], other.shape[1]), min(one.shape[2], other.shape[2]))
    pooled = [m if m.shape[1:] == grid else _to_one(F.adaptive_avg_pool2d(m, grid)) for m in (one, other)]
    return pooled[0], pooled[1]


def normalised_entropy(maps: Tensor) -> Tensor:
    """Entropy of each map [B, H, W] over the largest possible, mean over the batch: 1 is uniform, 0 a single cell."""
    flat = maps.flatten(1)
    entropy = -(flat * flat.clamp(min=TINY).log()).sum(dim=1)
    return (entropy / torch.tensor(float(flat.shape[1])).log()).mean()


def _to_one(maps: Tensor) -> Tensor:
    return maps / maps.sum(dim=(1, 2), keepdim=True).clamp(min=TINY)


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    return (teacher * (teacher.clamp(min=TINY).log() - student.clamp(min=TINY).log())).sum(dim=1).mean()


def _js(student: Tensor, teacher: Tensor) -> Tensor:
    middle = (student + teacher) / 2
    return (_kl(middle, student) + _kl(middle, teacher)) / 2


def _l2(student: Tensor, teacher: Tensor) -> Tensor:
    return (F.normalize(student) - F.normalize(teacher)).square().mean()


DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"kl": _kl, "js": _js, "l2": _l2, "mse": F.mse_loss}


class Attention(Method):
    """Options:

    divergence: how two maps are compared. `kl`, KL(teacher || student); `js`, its symmetric and bounded form; `l2`, the
        squared difference of unit vectors, as in attention transfer; `mse`, the squared difference of the maps themselves.
    layers: how the teacher's layers are weighted. `entropy`, a layer with a concentrated map counts more;
        `inverse_entropy`, the same by 1 / entropy, which is nearly flat; `uniform`; or a list with one weight per layer.
    entropy_temperature: how strongly `entropy` prefers concentrated maps; the smaller, the stronger.
    cap: the largest weight of one layer. A very low entropy can also be an attention sink.
    smoothing: decay of the moving average of the layer weights.
    """

    card = Card(
        title="Attention alignment",
        summary="The student's attention maps match the teacher's; teacher layers with concentrated maps count more.",
        formula=r"\sum_{l} \omega_{l}\, \mathrm{KL}\left(A_{T}^{l} \,\|\, A_{S}^{s(l)}\right), \qquad "
        r"\omega = \operatorname{softmax}\left(-H(A_{T}) / \theta\right)",
        symbols=r"$A$ an attention map, summing to 1, $H$ its entropy as a share of the maximum, "
        r"$s(l)$ the student's layer at the depth of the teacher's $l$, $\theta$ the option `entropy_temperature`",
        paper="Zagoruyko & Komodakis, ICLR 2017, for the maps of a CNN; layers weighted by entropy",
        url="https://arxiv.org/abs/1612.03928",
        weight=0.1,
        source="The bundled students: cross-entropy 0.1, kd 0.9 and this 0.1, with `kl` on maps of 4 x 4 and 8 x 8 cells.",
        use="From ViT to CNN with a small weight beside kd; compare the heatmaps.",
        avoid="A mean squared error of such maps has next to no effect: on maps of 196 cells its gradient is more than "
        "a thousand times smaller than that of `kl`. Compare weights only with the same divergence and grid.",
    )
    needs = frozenset({"attention", "features"})
    accepts_bfloat16 = frozenset({"features"})

    def __init__(
        self,
        student: Shapes,
        teacher: Shapes | None,
        *,
        divergence: str = "kl",
        layers: str | tuple[float, ...] = "entropy",
        entropy_temperature: Positive = 0.1,
        cap: Share = 0.4,
        smoothing: Share = 0.9,
    ) -> None:
        super().__init__(student, teacher)
        if divergence not in DIVERGENCES:
            raise UserError(f"divergence {divergence!r} is not one of {', '.join(DIVERGENCES)}.")
        assert teacher is not None
        self.divergence = divergence
        # attention is averaged over its heads, and energy is the power 2 of `spatial_maps`
        self._read = OutputPart("attention", power=1.0) if teacher.attention else OutputPart("features", power=2.0)
        self.stage_of = pair_by_depth(_count(student), _count(teacher))
        self.weigh = LayerWeights(_count(teacher), layers, entropy_temperature, cap, smoothing)

    def used_outputs(self) -> frozenset[OutputPart]:
        return frozenset({self._read})

    def is_mean_over_images(self) -> bool:
        return True

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch, temperature: float) -> Tensor:
        student_maps, teacher_maps = spatial_maps(student), spatial_maps(teacher)
        if self.training:
            entropies = torch.stack([normalised_entropy(layer) for layer in teacher_maps])
            self.weigh.observe(distributed.mean(entropies, batch.own_share))
        divergences = [
            attention_loss(student_maps[self.stage_of[layer]], teacher_maps[layer], divergence=self.divergence)
            for layer in range(len(teacher_maps))
        ]
        return (self.weigh.weights * torch.stack(divergences)).sum()

    def layer_weights(self) -> Tensor:
        return self.weigh.weights


def pair_by_depth(students: int, teachers: int) -> list[int]:
    """For each teacher layer the student layer at the same relative depth."""
    return [layer * students // teachers for layer in range(teachers)]


def _count(shapes: Shapes) -> int:
    count = len(shapes.attention) or len(shapes.features)
    if not count:
        raise UserError(
            "one of the two networks has neither attention nor feature maps. Use kd, which needs logits only."
        )
    return count
