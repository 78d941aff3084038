"""Diagnoses of a finished run: faults that its numbers show, each as a sentence with what to try next.

Plain data in, sentences out. They describe the networks, the labels and the training; what may be claimed about the
difference of student and twin is in `comparison`.
"""

from kdcore.results.diagnoses.conditions import above_test, changed, small_gradients
from kdcore.results.diagnoses.evidence import Diagnosis, Evidence
from kdcore.results.diagnoses.learners import diverged, shuffled, useless
from kdcore.results.diagnoses.teacher import CONFIDENT, SPREAD, unfit_teacher

__all__ = ["CONFIDENT", "SPREAD", "Diagnosis", "Evidence", "diagnose"]


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """Every fault that the evidence shows, the gravest first. Empty for a run without results."""
    if not evidence.results:
        return ()
    training = diverged(evidence)
    found = [
        training, *useless(evidence, advise=training is None), shuffled(evidence), unfit_teacher(evidence), above_test(evidence),
        changed(evidence), *small_gradients(evidence),
    ]  # fmt: skip
    return tuple(diagnosis for diagnosis in found if diagnosis)
