"""How often the interval of transfer covers the true share of the way from twin to teacher, by simulation.

    python -m benchmarks.transfer_coverage [--repeats 1.0] [--write]

Teacher, twin and student are simulated whose true accuracies are known, over seeds that share their test images and their teacher
(a probit model: an image's difficulty, the seed, chance; and for some settings what the student makes of an image as the
teacher does). Fieller's interval, which `results.bias` uses, and a bootstrap over seeds and images are computed from the same
data, where the teacher is shown to differ from the twin. `--write` writes the table into docs/reliability.md. One thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from benchmarks import simulation
from benchmarks.coverage import span
from kdcore.results.bias.difference import Values, compared
from kdcore.results.bias.fieller import fieller

SEEDS, IMAGES, REPEATS, DRAWS = (1, 3, 5), 1000, 300, 300


@dataclass(frozen=True)
class Setting:
    """gap: teacher - twin, in accuracy. way: the student's true share of it.

    seed: standard deviation of a seed's effect, where chance alone is 1. alike: how much of an image's own effect the student
    shares with the teacher.
    """

    name: str
    gap: float
    way: float
    seed: float = 0.1
    alike: float = 0.0


SETTINGS = (
    Setting("half way, 20 points", 0.2, 0.5),
    Setting("half way, seeds add nothing", 0.2, 0.5, seed=0.0),
    Setting("half way, seeds decide", 0.2, 0.5, seed=0.3),
    Setting("nothing, 20 points", 0.2, 0.0),
    Setting("all, student like the teacher", 0.2, 1.0, alike=1.0),
    Setting("half way, 8 points", 0.08, 0.5),
    Setting("beyond the teacher", 0.1, 1.5, alike=0.5),
    Setting("away from the teacher", -0.1, -0.5),
    Setting("a weakness, half way", -0.15, 0.5, alike=0.5),
)


def drawn(random: np.random.Generator, setting: Setting, seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which images student, twin and teacher predict rightly, each [S, n], as 0 or 1. The teacher is the same for all seeds."""
    difficulty, own = random.standard_normal(IMAGES), random.standard_normal(IMAGES)

    def network(accuracy: float, seed: float, alike: float, rows: int) -> np.ndarray:
        spread = (1 + 1 + alike**2 + seed**2) ** 0.5
        scores = (
            difficulty + alike * own + seed * random.standard_normal((rows, 1)) + random.standard_normal((rows, IMAGES))
        )
        return (scores + ndtri(accuracy) * spread > 0).astype(np.float64)

    twin, teacher = 0.5, 0.5 + setting.gap
    student = twin + setting.way * setting.gap
    return (
        network(student, setting.seed, setting.alike, seeds),
        network(twin, setting.seed, 0.0, seeds),
        np.repeat(network(teacher, 0.0, 1.0, 1), seeds, axis=0),
    )


def bootstrap(
    random: np.random.Generator, student: np.ndarray, twin: np.ndarray, teacher: np.ndarray
) -> tuple[float, float]:
    """The percentiles of (student - twin) / (teacher - twin), seeds and images resampled independently."""
    seeds, images = student.shape
    of_images, of_seeds = resamples(random, images), resamples(random, seeds)
    change, gap = (np.einsum("rs,rs->r", of_images @ gaps.T, of_seeds) for gaps in (student - twin, teacher - twin))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(change / gap, (0.025, 0.975))
    return float(low), float(high)


def resamples(random: np.random.Generator, items: int) -> np.ndarray:
    """How often each item is drawn in each resample, [DRAWS, items]."""
    picked = random.integers(0, items, (DRAWS, items)) + items * np.arange(DRAWS)[:, None]
    return np.bincount(picked.ravel(), minlength=DRAWS * items).reshape(DRAWS, items).astype(np.float64)


def coverage(setting: Setting, seeds: int, repeats: int) -> tuple[float, float, float]:
    """The share of repetitions in which the teacher is shown to differ, and of these in which each interval covers: Fieller's, the
    bootstrap's."""
    random = np.random.default_rng((seeds, SETTINGS.index(setting)))
    if seeds == 1:
        setting = Setting(
            setting.name, setting.gap, setting.way, 0.0, setting.alike
        )  # one run speaks of its own networks
    shown = by_fieller = by_bootstrap = 0
    for _ in range(repeats):
        student, twin, teacher = drawn(random, setting, seeds)
        if compared(Values(teacher), Values(twin), share=True).at(0.05).sign:
            shown += 1
            low, high = fieller(student, twin, teacher)
            by_fieller += low <= setting.way <= high
            low, high = bootstrap(random, student, twin, teacher)
            by_bootstrap += low <= setting.way <= high
    return shown / repeats, by_fieller / max(shown, 1), by_bootstrap / max(shown, 1)


def table(scale: float) -> Iterator[str]:
    """A row for each number of seeds: over the settings, the range of coverage."""
    yield "| Seeds | Test images | Repetitions | Fieller, % | Bootstrap over seeds and images, % | Teacher and twin shown to differ, % |"
    yield "|---|---|---|---|---|---|"
    repeats = max(20, round(scale * REPEATS))
    for seeds in SEEDS:
        found = {each.name: coverage(each, seeds, repeats) for each in SETTINGS}
        shown, by_fieller, by_bootstrap = zip(*found.values(), strict=True)
        print(seeds, {name: [round(100 * share, 1) for share in shares] for name, shares in found.items()}, flush=True)
        cells = span(list(by_fieller)), span(list(by_bootstrap)), span(list(shown), 0)
        yield f"| {seeds} | {IMAGES:,} | {repeats:,} | {' | '.join(cells)} |"


if __name__ == "__main__":
    simulation.main("transfer_coverage", __doc__, table)
