"""Biases and robustness of networks from their outputs on perturbed test sets: measures, and what passes on from the teacher."""

from kdcore.results.bias.outcome import Observation, Outcome

__all__ = ["Observation", "Outcome"]
