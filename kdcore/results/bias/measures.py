"""The measures of a network on a test set: each with its explanation, value and 95 % interval.

    accuracy.value(Observation(outcome))                   # Estimate(mean=0.41, low=0.38, high=0.44, ...)
    get("consistency").value(Observation(outcome, clean))  # where a measure needs the outcome on the clean images

A ratio of accuracies is not among them: it rewards a network that predicts by chance on clean and perturbed images alike.
"""

import math

from kdcore.errors import UserError, shortened
from kdcore.results.bias import contributions
from kdcore.results.bias.checks import few_decisions, few_errors, no_decision, too_near_chance, without_errors
from kdcore.results.bias.estimate import Estimate
from kdcore.results.bias.measure import Measure
from kdcore.results.bias.outcome import Observation

accuracy = Measure(
    "accuracy", "Accuracy", "share", "higher",
    "The share of the test set's images that the network predicts correctly.",
    contributions.right, by="share", least=0, most=1,
)  # fmt: skip
relative_accuracy = Measure(
    "relative_accuracy", "Accuracy that remains", "share", "higher",
    "Accuracy beyond chance on perturbed images, as a share of that on clean ones: 100 %: the perturbation costs nothing; 0: the "
    "network predicts by chance. Shown where the clean accuracy is clearly above twice chance (of two classes, 75 %).",
    contributions.right_beyond_chance, contributions.ratio, frozenset({"clean"}), by="bootstrap",
    check=too_near_chance,
)  # fmt: skip
shape_bias = Measure(
    "shape_bias", "Shape bias", "share", "neither",
    "Of images with the shape of one class and the texture of another, on which the network predicts one of the two: how often "
    "it is the shape (Geirhos et al., 2019).",
    contributions.shape_and_texture, contributions.share_of_first, frozenset({"textures"}), by="decisions", least=0, most=1,
    check=no_decision, few=few_decisions,
)  # fmt: skip
consistency = Measure(
    "consistency", "Consistency", "share", "neither",
    "How often the predicted class stays the same when the image is perturbed, right or wrong. A network that always predicts "
    "one class is consistent too, so read it beside the accuracy.",
    contributions.same_as_clean, needs=frozenset({"clean"}), by="share", least=0, most=1,
)  # fmt: skip
output_divergence = Measure(
    "output_divergence", "Change of the outputs", "nats", "neither",
    "Jensen-Shannon divergence between the predicted probabilities for the perturbed and for the clean image, mean over images: "
    "0 where nothing changes, 0.693 at most.",
    contributions.divergence_from_clean, needs=frozenset({"clean"}), least=0, most=math.log(2),
)  # fmt: skip
calibration = Measure(
    "ece", "Calibration error", "share", "lower",
    "Expected calibration error: how far confidence and accuracy differ, over 15 bins of confidence; lower is better.",
    contributions.calibration_gaps, contributions.absolute_sum, by="basic bootstrap", least=0, most=1,
    upward=contributions.upward_bias,
)  # fmt: skip
nll = Measure(
    "nll", "Negative log-likelihood", "nats", "lower",
    "How improbable the network finds the correct class; lower is better.",
    contributions.surprise, least=0,
)  # fmt: skip
agreement = Measure(
    "agreement", "Agreement with the teacher", "share", "neither",
    "How often the network predicts the teacher's class, right or wrong.",
    contributions.same_as_teacher, needs=frozenset({"teacher"}), by="share", least=0, most=1,
)  # fmt: skip
teacher_divergence = Measure(
    "kl", "Divergence from the teacher", "nats", "neither",
    "KL(teacher || network) of the predicted probabilities, mean over images; lower is closer to the teacher.",
    contributions.divergence_from_teacher, needs=frozenset({"teacher"}), least=0,
)  # fmt: skip
error_consistency = Measure(
    "error_consistency", "Error consistency with the teacher", "", "neither",
    "Cohen's kappa of being right or wrong: 1: both fail on the same images; 0: as their accuracies make it by chance. "
    "Independent networks have some too, since some images are hard for all.",
    contributions.right_as_teacher, contributions.kappa, frozenset({"teacher"}), by="bootstrap", least=-1, most=1,
    check=without_errors, few=few_errors,
)  # fmt: skip
MEASURES = (
    accuracy, relative_accuracy, shape_bias, consistency, output_divergence, calibration, nll, agreement, teacher_divergence,
    error_consistency,
)  # fmt: skip


def get(name: str) -> Measure:
    """A measure by its name.

    Raises:
        UserError: there is none of this name.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    raise UserError(f"Unknown measure {shortened(name)}. Known measures: {', '.join(each.name for each in MEASURES)}.")


def between_seeds(first: Observation, second: Observation) -> Estimate:
    """The error consistency of two independent networks, such as twins of two seeds: what the teacher's is to be compared with."""
    return error_consistency.value(Observation(first.outcome, teacher=second.outcome))
