"""What else changed besides accuracy: the measures of a run's networks on the test images, with a line of explanation each."""

from dataclasses import dataclass
from typing import Literal

from kdcore.results.comparison import Results, minus

NETWORKS = ("teacher", "student", "twin")
NOT_MEASURED, NO_VALIDATION, UNDEFINED = "not measured", "no validation images", "not defined"
WITHOUT_VALUE = ("", NOT_MEASURED, NO_VALIDATION, UNDEFINED)


@dataclass(frozen=True)
class Measure:
    """A measure: its key in the results of a network, its name, its unit, and what it means in one line."""

    key: str
    title: str
    unit: Literal["share", "nats", ""]
    explanation: str
    with_teacher: bool = False  # it compares a network with the teacher

    def text(self, value: float) -> str:
        """A value with its unit: `13.7 %`, `0.594 nats`, `0.31`."""
        match self.unit:
            case "share":
                return f"{100 * value:.1f} %"
            case "nats":
                return f"{value:.3f} nats"
        return minus(f"{value:.2f}")


MEASURES = (
    Measure(
        "balanced_accuracy", "Balanced accuracy", "share",
        "The mean of the classes' accuracies: every class counts alike, however many images it has.",
    ),
    Measure("nll", "Negative log-likelihood", "nats", "How improbable the network finds the correct class; lower is better."),
    Measure(
        "ece", "Calibration error", "share",
        "Expected calibration error: how far confidence and accuracy differ, over 15 bins of confidence; lower is better.",
    ),
    Measure(
        "ece_scaled", "Calibration error after scaling", "share",
        "The same with the logits divided by one temperature T, which was fitted to the validation images.",
    ),
    Measure(
        "agreement", "Agreement with the teacher", "share", "How often the network predicts the teacher's class, right or wrong.",
        with_teacher=True,
    ),
    Measure(
        "kl", "Divergence from the teacher", "nats",
        "KL(teacher || network) of the predicted probabilities, mean over images; lower is closer to the teacher.",
        with_teacher=True,
    ),
    Measure(
        "error_consistency", "Error consistency with the teacher", "",
        "Cohen's kappa of being right or wrong: 1: both fail on the same images; 0: as their accuracies make it by chance.",
        with_teacher=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A measure and its value of each network, as text; or in words why there is none."""

    measure: Measure
    values: dict[str, str]


def rows(results: Results) -> list[Row]:
    """A row for each measure that fits the run; empty for a run without results."""
    networks = [name for name in NETWORKS if name in results]
    found = []
    for measure in MEASURES:
        if measure.with_teacher and "teacher" not in networks:
            continue
        compared = [name for name in networks if not (measure.with_teacher and name == "teacher")]
        found.append(Row(measure, {name: _value(results, name, measure) for name in compared}))
    return found


def without_claim(results: Results) -> str:
    """What the values are not: they have no interval."""
    count = int(results["student"].get("count") or 0)
    images = f"the {count:,} test images" if count else "the test images"
    return (
        f"Values of one run on {images}, without intervals: they describe these networks, and do not show that the teacher is "
        "the cause."
    )


def _value(results: Results, network: str, measure: Measure) -> str:
    figures = results.get("agreement", {}) if measure.key == "agreement" else results[network]
    key = network if measure.key == "agreement" else measure.key
    if key in figures:
        value = figures[key]
        if value is None:  # not finite
            return UNDEFINED
        return measure.text(value) + (_temperature(figures.get("temperature")) if key == "ece_scaled" else "")
    if "balanced_accuracy" not in results[network]:  # a run of an earlier version
        return NOT_MEASURED
    return NO_VALIDATION if measure.key == "ece_scaled" else UNDEFINED


def _temperature(value: float | None) -> str:
    """The fitted temperature, or the end of the range that was searched."""
    if value is None:
        return ""
    low, high = 0.05, 100.0  # as in `metrics.calibrating_temperature`, which needs torch
    if value > 0.99 * high:
        return f" (T\u00a0≥\u00a0{high:g})"
    return f" (T\u00a0≤\u00a0{low:g})" if value < 1.01 * low else f" (T\u00a0{value:.2f})"
