"""Networks on test sets as the engine would give them, made up: nothing here loads a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kdcore.inspection import robustness as lab
from kdcore.results.bias import Outcome

TRIO = {role: f"cues-{role}" for role in ("teacher", "student", "twin")}
CLASSES = ("star", "ring", "heart")
IMAGES = 40
SIDE = 8


def card(name: str, title: str, probes: str, strengths: tuple[float, ...], usual: float, **more: object) -> lab.SetCard:
    return lab.SetCard(
        name, title, f"What {title.lower()} does.", probes, f"unit of {name}", strengths,
        tuple(f"{name}@{each:g}" for each in strengths), f"{name}@{usual:g}", "A paper", False, False, **more,
    )  # fmt: skip


SETS = [
    card("global_noise", "Noise on the whole image", "noise", (0.1, 0.2), 0.2),
    card("patch_scramble", "Scrambled patches", "structure", (2, 4), 4),
    card("low_pass", "Low-pass", "frequency", (4, 8), 4),
    card("silhouette", "Silhouettes", "shape", (1,), 1, unavailable="It needs masks."),
]
QUICK = ["clean", *(each.usual for each in SETS if not each.unavailable)]
FULL = ["clean", *(condition for each in SETS if not each.unavailable for condition in each.conditions)]
DIFFERENCES = {"global_noise": 0.01, "patch_scramble": 0.05, "low_pass": -0.04}


def outcome(images: int = IMAGES) -> Outcome:
    return Outcome(np.zeros(images, int), np.zeros((images, 3), np.float16))


def assessment(
    references: Sequence[str], conditions: Sequence[str], images: int = IMAGES, *, wanted: Sequence[str] = ()
) -> lab.Assessment:
    """Outcomes under some conditions; of an evaluation in progress, `wanted` are all that it is to have."""
    outcomes = {each: {condition: outcome(images) for condition in conditions} for each in references}
    missing = tuple(each for each in wanted if each not in conditions)
    return lab.Assessment(tuple(references), tuple(wanted or conditions), CLASSES, images, outcomes, missing)


def row(measure: str, condition: str, references: Sequence[str], roles: dict[str, str]) -> lab.Row:
    value, name = 0.6 if condition == "clean" else 0.4, condition.partition("@")[0]
    values = {each: (value + 0.02 * place, value - 0.05, value + 0.08) for place, each in enumerate(references)}
    difference = DIFFERENCES.get(name, 0.0)
    over = name == "low_pass" and bool(roles)
    return lab.Row(
        measure, measure.capitalize(), f"What {measure} means.", "share", True, condition, values,
        difference=(difference, difference - 0.02, difference + 0.02),
        transfer=(0.62, 0.4, 0.85) if name == "patch_scramble" and roles else None,
        transfer_sentence="The student stands at 62 %." if name == "patch_scramble" else "Not defined: teacher and twin do not differ.",
        over_distilled=over,
    )  # fmt: skip


class Lab:
    """The functions of `kdcore.inspection.robustness`.

    kept_ones: conditions that earlier evaluations kept. asked: calls. run: the id of a run with networks of its own.
    """

    def __init__(self) -> None:
        self.kept_ones: list[str] = []
        self.asked: list[tuple[object, ...]] = []
        self.ahead: list[str] = []
        self.why_not = self.run = ""

    def networks(self, store):
        named = {f"Cues {role}": reference for role, reference in TRIO.items()}
        named |= {"student of quick": f"run:{self.run}/student"} if self.run else {}
        return [
            lab.Network(
                reference, title, "tiny", "run" if "run:" in reference else "bundled", "cnn", "Cues", SIDE, "cues"
            )
            for title, reference in named.items()
        ]

    def families(self, store):
        run = {role: f"run:{self.run}/{role}" for role in TRIO}
        return [lab.Family("Cues", "", TRIO), *([lab.Family("quick", self.run, run)] if self.run else [])]

    def refusal(self, references, store):
        return self.why_not

    def test_sets(self, references, store):
        return SETS

    def conditions(self, which, references, store):
        return QUICK if which == "quick" else FULL

    def default_images(self, which, references, store):
        return 1000

    def assess(self, references, conditions, store, *, images=None, threads=None) -> Iterator[lab.Progress]:
        self.asked.append(("assess", tuple(conditions), images))
        for place in range(1, len(conditions) + 1):
            done = list(conditions[:place])
            self.kept_ones = list(dict.fromkeys((*self.kept_ones, *done)))
            found = assessment(references, done, wanted=conditions)
            yield lab.Progress(place, len(conditions), 5.0, conditions[place - 1], found)

    def kept(self, references, store, *, conditions=None, images=None):
        return assessment(references, self.kept_ones)

    def of_run(self, run_id, store):
        if not self.kept_ones:
            return None
        roles = {role: f"run:{run_id}/{role}" for role in ("teacher", "student", "twin")}
        return lab.Family("quick", run_id, roles), assessment(tuple(roles.values()), self.kept_ones)

    def table(self, assessment, roles=None):
        return [
            row(measure, condition, assessment.references, dict(roles or {}))
            for condition in assessment.conditions
            for measure in ("accuracy", "consistency")
        ]

    def as_csv(self, assessment, roles=None):
        return "measure,condition\n"

    def gallery(self, references, condition, store, **settings):
        self.asked.append(("gallery", condition, settings))
        heat = np.full((4, 4), 1 / 16, np.float32)
        pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
        shown = [
            lab.Shown(
                place, pixels, 255 - pixels, "star", "ring" if place else "", dict.fromkeys(references, ("star", 0.9)),
                dict.fromkeys(references, True), dict.fromkeys(references, heat),
            )
            for place in range(2)
        ]  # fmt: skip
        return lab.Gallery(condition, shown, 8, 4, settings["page"])

    def live(self, references, condition, store, *, images=200):
        self.asked.append(("live", condition, images))
        strength = float(condition.partition("@")[2] or 0)
        values = dict.fromkeys(references, (0.9 - 0.05 * strength, 0.8 - 0.05 * strength, 0.95))
        pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
        return lab.Live(condition, images, values, dict.fromkeys(references, (0.9, 0.8, 0.95)), {}, pixels, 255 - pixels, 0.01)  # fmt: skip

    def live_ahead(self, references, conditions, store, *, images=200):
        self.ahead = list(conditions)

    def similarity(self, one, other, store, *, images=1000):
        values = np.array([[0.9, math.nan], [0.2, 0.5]], np.float32)
        yield lab.Similarity(one, other, ("Layer 1", "Layer 2"), ("Layer 1", "Layer 2"), values, images)

    def sensitivity(self, references, conditions, store, *, images=100):
        rows = [
            lab.Sensitivity(each, condition, "grad_cam", images, (0.7, 0.6, 0.8), (0.1, 0.0, 0.2), (0.4, 0.3, 0.5), (0.3, 0.2, 0.4))
            for condition in conditions
            for each in references
        ]  # fmt: skip
        yield rows

    def export(self, reference, condition, store, *, images=100):
        return b"PK"


NAMES = [name for name in vars(Lab) if name[0] != "_"]
