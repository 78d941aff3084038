"""Self-test of the measures, on networks that are built so that the right values are known beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdcore import models
from kdcore.data.datasets.cues import Cues
from kdcore.models import Tapped
from kdcore.recipe import DataRecipe, ModelRecipe
from kdcore.results.bias import Observation, Outcome
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.measures import accuracy, consistency, output_divergence, shape_bias
from kdcore.results.bias.transfer import Case, Transfer, transfers
from kdcore.results.comparison import minus
from kdcore.robustness import samples
from kdcore.robustness.assessment import assess
from kdcore.robustness.conditions import CLEAN, Condition
from kdcore.robustness.samples import Sample

SIDE, GRID, IMAGES = 32, 8, 300
SCRAMBLED, CONFLICT = Condition("patch_scramble", GRID), Condition("cues_conflict", 1)
FOURIER = Condition("fourier_cue_conflict", 1)
SAME = 1e-6  # nats
SHARPNESS = 100.0  # of the mean colour's classifier
ROLES = ("student", "twin", "teacher")
Outcomes = dict[Condition, Outcome]


@dataclass(frozen=True)
class Checked:
    """One network whose measures are known beforehand; `found` is what was measured."""

    title: str
    passed: bool
    found: str


def self_test(count: int = IMAGES) -> Iterator[Checked]:
    """Check the instruments on drawn images; nothing is downloaded.

    Args:
        count: images.
    """
    sample = samples.load(DataRecipe(name="cues", image_size=SIDE), count)
    yield _no_positions(sample)
    yield from _mean_colour(sample)
    yield from _transfers(sample)


def vit(*, positions: bool) -> Tapped:
    """An untrained ViT whose patches do not overlap and whose weights are large, so that its outputs depend on the image.

    Args:
        positions: whether it has a position embedding; else that is 0.
    """
    found = _untrained("test_vit", seed=0, patch_size=SIDE // GRID)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in found.net.named_parameters():
            if "pos_embed" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * float(positions))
            elif parameter.dim() > 1 and "token" not in name:
                parameter.copy_(2 * torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return found


class MeanColour(nn.Module):
    """Predicts the class whose images have the nearest mean colour, which is linear in the image's own."""

    def __init__(self, centres: Tensor) -> None:
        """`centres`: the mean colour of each class, [K, 3]."""
        super().__init__()
        self.head = nn.Linear(3, len(centres))
        with torch.no_grad():
            self.head.weight.copy_(2 * SHARPNESS * centres)
            self.head.bias.copy_(-SHARPNESS * centres.square().sum(dim=1))

    def forward_intermediates(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return images, [images]

    def forward_head(self, features: Tensor) -> Tensor:
        return self.head(features.mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(images)

    def get_classifier(self) -> nn.Module:
        return self.head


def mean_colour(sample: Sample) -> Tapped:
    """A network of this kind, with the mean colours of a sample's classes."""
    colours, targets = (sample.split.images.float() / 255).mean(dim=(2, 3)), sample.split.targets
    classes = sample.split.classes
    centres = torch.stack([colours[targets == each].mean(dim=0) for each in range(len(classes))])
    net = MeanColour(centres).eval().requires_grad_(False)
    side = sample.split.images.shape[-1]
    plain = Tapped(net, name="mean_colour", classes=classes, image_size=side, mean=(0, 0, 0), std=(1, 1, 1))
    return plain.eval()


def _no_positions(sample: Sample) -> Checked:
    networks = {"without": vit(positions=False), "with": vit(positions=True)}
    found = {}
    for name, own in _outcomes(networks, sample, [CLEAN, SCRAMBLED]).items():
        seen = Observation(own[SCRAMBLED], clean=own[CLEAN])
        found[name] = consistency.value(seen).mean, output_divergence.value(seen).mean
    same, moved = found["without"]
    return Checked(
        "Scrambled patches change nothing for a ViT without position embedding, and do for one with it",
        same == 1 and moved < SAME and found["with"][0] < 1,
        f"consistency {same:.3f}, change of the outputs {moved:.1e} nats; with positions {found['with'][0]:.3f}, {found['with'][1]:.2f}",
    )


def _mean_colour(sample: Sample) -> Iterator[Checked]:
    found = _outcomes({"it": mean_colour(sample)}, sample, [CONFLICT, FOURIER])["it"]
    for condition, outcome in found.items():
        bias = shape_bias.value(Observation(outcome))
        least = bias.low if bias.low is not None else 0.0
        yield Checked(
            f"A network that reads only the mean colour has no shape bias on {condition.set_name}",
            not bias.defined or least <= 0.5,
            f"shape bias {minus(f'{bias.mean:.2f}')}, interval from {minus(f'{least:.2f}')}, of {bias.images} decisions",
        )


def _transfers(sample: Sample) -> Iterator[Checked]:
    random = {name: _untrained("three_stage_cnn_16", seed) for seed, name in enumerate(ROLES, start=1)}
    found = _outcomes(random, sample, [CLEAN, SCRAMBLED])
    chance = _transfer(found, accuracy)
    yield Checked(
        "Networks of random weights have no transfer of accuracy",
        chance.kind != "passes on" and not chance.share.defined,
        chance.share.why,
    )
    far = _transfer(found | {"teacher": _all_right(found["teacher"])}, accuracy)
    low, high = far.share.low, far.share.high
    yield Checked(
        "Students of random weights inherit nothing from a teacher that is right",
        far.kind != "passes on" and low is not None and high is not None and low <= 0 <= high,
        f"transfer {minus(f'{far.share.mean:.2f}')} ({minus(str(low))} to {minus(str(high))})",
    )
    shares = [_transfer(found | {"student": found["teacher"]}, each).share for each in (consistency, output_divergence)]
    defined = [each.mean for each in shares if each.defined]
    yield Checked(
        "A teacher that is its own student has transfer 1",
        bool(defined) and all(abs(each - 1) < SAME for each in defined),
        f"transfer {', '.join(f'{each:.6f}' for each in defined) or 'undefined'}",
    )


def _transfer(found: dict[str, Outcomes], measure: Measure) -> Transfer:
    """Of a measure under the scramble, from `teacher` to `student`, with `twin`."""
    seen = {role: (Observation(found[role][SCRAMBLED], clean=found[role][CLEAN]),) for role in ROLES}
    (one,) = transfers([Case(measure, "scrambled patches", **seen)])
    return one


def _all_right(found: Outcomes) -> Outcomes:
    """Outcomes of a network that is right on every image."""
    right = {}
    for condition, outcome in found.items():
        sure = torch.full((outcome.count, outcome.classes), -9.0)
        sure[torch.arange(outcome.count), torch.from_numpy(outcome.targets)] = 0.0
        right[condition] = Outcome(outcome.targets, sure.log_softmax(dim=1).numpy())
    return right


def _outcomes(networks: dict[str, Tapped], sample: Sample, conditions: list[Condition]) -> dict[str, Outcomes]:
    *_, last = assess(networks, sample.split, conditions, data=sample.data)
    return last.outcomes


def _untrained(model: str, seed: int, **options: int) -> Tapped:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = ModelRecipe(model=model, options=dict(options))
        return models.build(spec, Cues.classes, SIDE).eval().requires_grad_(False)
