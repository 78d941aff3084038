"""How often intervals cover the true difference, and how often a claim is false, by simulation.

    python -m benchmarks.coverage [--repeats 1.0] [--write]

Two networks are simulated whose true difference in accuracy is known: whether an image is predicted rightly follows from
its difficulty, from what the networks make of this image with every seed, from the seed, and from chance (a probit model). Each
repetition goes through `results.comparison` as runs do. `--write` writes the tables into docs/reliability.md. One thread.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, chdtri, ndtr, ndtri

from benchmarks import simulation
from kdcore.explain.quality.agreement import with_interval
from kdcore.results.comparison.conclusion import Compared, conclude_all
from kdcore.results.comparison.crossed import Crossed
from kdcore.results.comparison.outcome import Pair

SEEDS = (1, 3, 5, 10)
IMAGES = {100: 2000, 300: 2000, 1000: 2000, 3000: 1500, 10_000: 1500}  # and how often each is repeated
POOL, BLOCK = 1_000_000, 100  # images of a setting; each repetition draws from them, a block at a time
VARIANTS = (3, 4, 5, 8, 12)
EXACT_SEEDS = (3, 4, 5, 10)
FAMILIES = (1, 2, 4, 12)  # comparisons: the smallest p-value is tested at 5 % / k
IMAGE_EFFECTS = (0, 0.3, 1, 3, 10, 30)  # variance of the mean by the images, where chance alone is 1
SEED_EFFECTS = (0, *np.geomspace(0.3, 300, 24))  # the same by the seeds
NODES = 400
FEWEST = 0.2  # settings in which fewer repetitions allow a claim are left out: those that do are not typical of it
MAP_IMAGES = (5, 10, 20, 50, 200)
OLD_DRAWS = 1000  # of the bootstrap that maps had before


@dataclass(frozen=True)
class Setting:
    """accuracy: the mean of both networks. gap: their true difference.

    The others are standard deviations, where chance alone is 1: of the images' difficulty; of what one network makes of an
    image with every seed; of a network's seed; of what both make of an image with one seed, as they share their batches.
    """

    name: str
    accuracy: float
    gap: float = 0.0
    difficulty: float = 1.5
    lasting: float = 0.0
    seed: float = 0.0
    shared: float = 1.0


SETTINGS = (
    Setting("no difference, seeds add nothing", 0.6),
    Setting("no difference, seeds add some", 0.6, seed=0.05),
    Setting("no difference, seeds decide", 0.6, seed=0.3),
    Setting("3 points, seeds add some", 0.6, gap=0.03, seed=0.1),
    Setting("5 points, on the same images with every seed", 0.6, gap=0.05, lasting=0.7, seed=0.05),
    Setting("20 points", 0.6, gap=0.2, lasting=0.7, seed=0.1),
    Setting("accuracy of 98 %", 0.98, difficulty=2, lasting=0.3, seed=0.05),
    Setting("accuracy of 15 %", 0.15, gap=0.02, difficulty=1, seed=0.05, shared=0),
    Setting("few discordant pairs", 0.9, difficulty=4, shared=2, seed=0.02),
)


def right(random: np.random.Generator, setting: Setting, seeds: int, images: int, students: int = 1) -> np.ndarray:
    """Which images the twin and `students` students predict rightly: [1 + students, seeds, images] booleans."""
    return with_seeds(random, setting, scores(random, setting, seeds, images, students))


def scores(random: np.random.Generator, setting: Setting, seeds: int, images: int, students: int = 1) -> np.ndarray:
    """Without the effect of the seeds; an image is predicted rightly above 0: [1 + students, seeds, images]."""

    def drawn(deviation: float, *shape: int) -> np.ndarray | float:
        return np.float32(deviation) * random.standard_normal(shape, dtype=np.float32) if deviation else 0.0

    common = drawn(setting.difficulty, 1, 1, images) + drawn(setting.shared, 1, seeds, images)
    spread = setting.difficulty**2 + setting.shared**2 + setting.seed**2 + 1
    found = common + random.standard_normal((1 + students, seeds, images), dtype=np.float32)
    found[0] += ndtri(setting.accuracy - setting.gap / 2) * spread**0.5
    found[1:] += ndtri(setting.accuracy + setting.gap / 2) * (spread + setting.lasting**2) ** 0.5
    found[1:] += drawn(setting.lasting, students, 1, images)
    return found


def with_seeds(random: np.random.Generator, setting: Setting, found: np.ndarray) -> np.ndarray:
    """The scores with an effect of each network's seed, above 0."""
    effects = random.standard_normal((*found.shape[:2], 1), dtype=np.float32)
    right: np.ndarray = found > np.float32(setting.seed) * effects
    return right


def compared(student: np.ndarray, twin: np.ndarray) -> Compared:
    """As from runs: both [seeds, images]."""
    return Compared(
        tuple(_pair(seed, *rows) for seed, rows in enumerate(zip(student, twin, strict=True))), len(student)
    )


def _pair(seed: int, student: np.ndarray, twin: np.ndarray) -> Pair:
    differences = student.astype(np.int8) - twin.astype(np.int8)
    apart = int((differences == 1).sum()), int((differences == -1).sum())
    mean = float(differences.mean())
    return Pair(seed, len(student), mean, float(differences.var()), differences, None, apart, ((("seed", seed),),), ())


@dataclass(frozen=True)
class Measured:
    """allowed: the share of repetitions that allow a claim. Of those: covered, and claims: the shares with the true difference
    in the interval, and with a claim."""

    allowed: float
    covered: float
    claims: float


def coverage(setting: Setting, seeds: int, images: int, repeats: int) -> Measured:
    if seeds == 1:
        setting = replace(setting, seed=0.0)  # one run says something of its own networks, whatever their seed
    random = np.random.default_rng((seeds, images))
    blocks = scores(random, setting, seeds, POOL).reshape(2, seeds, POOL // BLOCK, BLOCK)
    allowed = covered = claims = 0
    for chosen in random.integers(0, POOL // BLOCK, (repeats, images // BLOCK)):
        twin, student = with_seeds(random, setting, blocks[:, :, chosen].reshape(2, seeds, images))
        (found,) = conclude_all([compared(student, twin)])
        if found.kind != "refused":
            allowed += 1
            covered += found.low <= setting.gap <= found.high
            claims += found.kind != "open"
    return Measured(allowed / repeats, covered / max(allowed, 1), claims / max(allowed, 1))


def coverage_table(scale: float) -> Iterator[str]:
    """A row for each number of seeds and images: over the settings, the range of coverage and of false claims."""
    yield "| Seeds | Test images | Repetitions | Coverage, % | False claims where there is no difference, % | A claim is allowed, % |"
    yield "|---|---|---|---|---|---|"
    for seeds in SEEDS:
        for images, repeats in IMAGES.items():
            often = max(20, round(scale * repeats))
            found = {each: coverage(each, seeds, images, often) for each in SETTINGS}
            usual = {each: measured for each, measured in found.items() if measured.allowed >= FEWEST}
            false = [measured.claims for each, measured in usual.items() if not each.gap]
            cells = (
                span([m.covered for m in usual.values()]),
                span(false),
                span([m.allowed for m in found.values()], 0),
            )
            print(
                seeds, images, *cells, {each.name: round(100 * m.covered, 1) for each, m in usual.items()}, flush=True
            )
            yield f"| {seeds} | {images:,} | {often:,} | {' | '.join(cells)} |"
    yield "| 2 | any | | none: refused | 0 | 0 |"


def exact_table() -> Iterator[str]:
    """A row for each number of seeds: coverage over all sizes of the effects of seeds and images, by numerical integration.

    The effects are normal and the images so many that their mean squares are known; that of the seeds is not.
    """
    yield "| Seeds | " + " | ".join(f"Nominal {5 / count:.3g} % ({count} compared)" for count in FAMILIES) + " |"
    yield "|---" * (1 + len(FAMILIES)) + "|"
    for seeds in EXACT_SEEDS:
        found = [misses(seeds, 0.05 / count) for count in FAMILIES]
        yield f"| {seeds} | {' | '.join(f'{100 * low:.2f} to {100 * high:.2f}' for low, high in found)} |"


def misses(seeds: int, alpha: float) -> tuple[float, float]:
    """The least and the most that an interval of the level 1 - alpha misses the true difference."""
    free = seeds - 1
    ratios = chdtri(free, (np.arange(NODES) + 0.5) / NODES) / free  # of the seeds' mean square to its expectation
    found = []
    for images in IMAGE_EFFECTS:
        for effect in SEED_EFFECTS:
            squares = (1 + effect) * ratios
            quantiles = 1 - chdtrc(free, free * squares)
            estimates = (
                Crossed(0.0, images, max(square, 1.0), free, np.inf, quantile)
                for square, quantile in zip(squares, quantiles, strict=True)
            )
            halves = np.array([each.critical(alpha / 2) * each.variance**0.5 for each in estimates])
            found.append(2 * ndtr(-halves / (images + 1 + effect) ** 0.5).mean())
    return min(found), max(found)


def family_table(scale: float) -> Iterator[str]:
    """A row for each number of variants without a difference: how often at least one claim is made."""
    yield (
        "| Variants | One seed, uncorrected, % | One seed, % | 3 seeds, uncorrected, % | 3 seeds, % "
        "| 3 seeds that vary, uncorrected, % | 3 seeds that vary, % |"
    )
    yield "|---|---|---|---|---|---|---|"
    for variants in VARIANTS:
        cells = []
        for seeds, images, effect in ((1, 1000, 0.0), (3, 500, 0.05), (3, 500, 0.2)):
            random, repeats = np.random.default_rng((variants, seeds)), max(20, round(scale * 1000))
            setting = Setting("variants", 0.6, seed=effect)
            alone = together = 0
            for _ in range(repeats):
                twin, *students = right(random, setting, seeds, images, variants)
                made = [compared(student, twin) for student in students]
                alone += any(conclude_all([each])[0].kind in ("better", "worse") for each in made)
                together += any(found.kind in ("better", "worse") for found in conclude_all(made))
            cells += [f"{100 * alone / repeats:.1f}", f"{100 * together / repeats:.1f}"]
        print(variants, *cells, flush=True)
        yield f"| {variants} | {' | '.join(cells)} |"


MAP_VALUES: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal": (lambda random, n: random.normal(0.2, 0.2, n), 0.2),
    "a share, skewed": (lambda random, n: random.beta(2, 6, n), 0.25),
    "a difference of shares": (lambda random, n: random.beta(4, 2, n) - random.beta(2, 3, n), 4 / 6 - 2 / 5),
}


def map_table(scale: float) -> Iterator[str]:
    """A row for each number of images: how often the mean's interval covers, now and by the bootstrap of before."""
    yield "| Images | Student's t, % | Bootstrap of before, % |"
    yield "|---|---|---|"
    for images in MAP_IMAGES:
        random, now, before = np.random.default_rng(images), [], []
        for draw, mean in MAP_VALUES.values():
            samples = [draw(random, images) for _ in range(max(20, round(scale * 2000)))]
            now.append(np.mean([low <= mean <= high for _, low, high in map(with_interval, samples)]))
            few = samples[: len(samples) // 3]
            before.append(np.mean([low <= mean <= high for low, high in (bootstrap(each, random) for each in few)]))
        yield f"| {images} | {span(now)} | {span(before)} |"


def bootstrap(values: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of a mean."""
    picks = random.integers(0, len(values), (OLD_DRAWS, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def span(shares: list[float], digits: int = 1) -> str:
    """`94.2 to 96.8`, in percent."""
    if not shares:
        return "none"
    low, high = (f"{100 * end:.{digits}f}" for end in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"


def report(scale: float) -> list[str]:
    """The lines of all tables, under a heading each."""
    parts = {
        "Coverage of student - twin": coverage_table(scale),
        "Misses of the interval over seeds, by numerical integration": exact_table(),
        "Several comparisons with one twin": family_table(scale),
        "Means over images (maps)": map_table(scale),
    }
    return [line for title, rows in parts.items() for line in ("", f"### {title}", "", *rows)][1:]


if __name__ == "__main__":
    simulation.main("coverage", __doc__, report)
