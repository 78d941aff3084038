"""Maps of two networks over a split: image by image, by class, and where they differ most."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch

from kdcore.data import sampling
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.explain.heatmaps import Explanation, default_map, explain
from kdcore.explain.quality.agreement import METRICS, Controlled, agreement, with_controls
from kdcore.explain.quality.localization import centre_prior
from kdcore.models import Tapped

THUMBNAIL = 96  # pixels at most
BATCH = 50
OUTCOMES = ("any", "both right", "teacher right only", "student right only", "both wrong")
Outcome = Literal["any", "both right", "teacher right only", "student right only", "both wrong"]


@dataclass(frozen=True, eq=False)
class NetworkMaps:
    """Maps and predictions of one network for n images.

    heatmaps: float32 [n, H, W], each summing to 1; NaN where there is none.
    probabilities: float32 [n, K].
    """

    map_name: str
    heatmaps: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """[n], the most probable class."""
        return self.probabilities.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Survey:
    """Two networks on the same images, so far.

    places: [n], index of an image in the split. thumbnails: uint8 [n, S, S, 3]. targets: [n].
    untrained: the student's architecture before training; None where it was not run.
    agreement: metric -> [n]; NaN where one of the two has no map.
    total: how many images there will be.
    """

    classes: tuple[str, ...]
    places: np.ndarray
    thumbnails: np.ndarray
    targets: np.ndarray
    teacher: NetworkMaps
    student: NetworkMaps
    untrained: NetworkMaps | None
    agreement: dict[str, np.ndarray]
    total: int

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class ClassRow:
    """The figures of one class, or of `all`. controlled: None where fewer than two images have both maps."""

    name: str
    count: int
    teacher_top1: float
    student_top1: float
    controlled: dict[str, Controlled] | None


def survey(
    teacher: Tapped,
    student: Tapped,
    split: Split,
    map_name: str | None = None,
    *,
    untrained: Tapped | None = None,
    at_most: int = 500,
    seed: int = 0,
) -> Iterator[Survey]:
    """Both networks on a balanced part of a split, in random order; yields all results so far after every batch.

    Args:
        map_name: None for each network's own map. A map that explains a class explains the one that its network predicts.
        untrained: the student before training, as a control.

    Raises:
        UserError: the two have other classes or take images of other sizes; as `explain.explain`.
    """
    _check(teacher, student)
    targets = split.targets.cpu().numpy()
    places = sampling.balanced(targets, at_most, (seed, 0))
    places = np.random.default_rng(seed).permutation(places)
    roles = {"teacher": teacher, "student": student} | ({"untrained": untrained} if untrained else {})
    names = {role: map_name or default_map(model) for role, model in roles.items()}
    found: dict[str, list[Explanation]] = {role: [] for role in roles}
    agreements: list[dict[str, float]] = []
    thumbnails: list[np.ndarray] = []
    for start in range(0, len(places), BATCH):
        part = torch.from_numpy(places[start : start + BATCH]).to(split.images.device)
        pixels = split.images[part]
        for role, model in roles.items():
            found[role].append(explain(model, pixels.to(model.mean.device).float() / 255, names[role]))
        student_maps, teacher_maps = (found[role][-1].heatmaps for role in ("student", "teacher"))
        agreements += [agreement(*pair) for pair in zip(student_maps, teacher_maps, strict=True)]
        thumbnails += [_thumbnail(picture) for picture in pixels.permute(0, 2, 3, 1).cpu().numpy()]
        results = {role: _joined(each) for role, each in found.items()}
        done = places[: len(thumbnails)]
        yield Survey(
            classes=split.classes,
            places=done,
            thumbnails=np.stack(thumbnails),
            targets=targets[done],
            teacher=results["teacher"],
            student=results["student"],
            untrained=results.get("untrained"),
            agreement={metric: np.array([each[metric] for each in agreements]) for metric in METRICS},
            total=len(places),
        )


def _joined(batches: list[Explanation]) -> NetworkMaps:
    return NetworkMaps(
        batches[0].map_name,
        np.concatenate([each.heatmaps for each in batches]),
        np.concatenate([each.probabilities for each in batches]),
    )


def ranked(found: Survey, *, most_similar: bool = False, outcome: Outcome = "any") -> np.ndarray:
    """The images, as places in the survey, by how much the two maps differ: the most different first, or the most similar.

    By the Jensen-Shannon divergence. Images on which a network has no map are left out.
    """
    teacher, student = (each.predicted == found.targets for each in (found.teacher, found.student))
    wanted = {
        "any": np.ones(len(found), dtype=bool),
        "both right": teacher & student,
        "teacher right only": teacher & ~student,
        "student right only": ~teacher & student,
        "both wrong": ~teacher & ~student,
    }[outcome]
    divergence = found.agreement["js"]
    kept = np.flatnonzero(wanted & np.isfinite(divergence))
    return kept[np.argsort(divergence[kept] * (1 if most_similar else -1), kind="stable")]


def by_class(found: Survey) -> list[ClassRow]:
    """All images, then each class that has any. A class's shuffled pairs are of that class."""
    rows = [_row(found, "all", np.arange(len(found)))]
    for number, name in enumerate(found.classes):
        if len(places := np.flatnonzero(found.targets == number)):
            rows.append(_row(found, name, places))
    return rows


def _row(found: Survey, name: str, places: np.ndarray) -> ClassRow:
    student, teacher = found.student.heatmaps[places], found.teacher.heatmaps[places]
    both = (np.isfinite(student).all(axis=(1, 2))) & np.isfinite(teacher).all(axis=(1, 2))
    targets = found.targets[places]
    return ClassRow(
        name=name,
        count=len(places),
        teacher_top1=float((found.teacher.predicted[places] == targets).mean()),
        student_top1=float((found.student.predicted[places] == targets).mean()),
        controlled=with_controls(
            student,
            teacher,
            centre_prior(teacher.shape[1:]),
            None if found.untrained is None else found.untrained.heatmaps[places],
        )
        if both.sum() >= 2
        else None,
    )


def _check(teacher: Tapped, student: Tapped) -> None:
    for what, one, other in (
        ("have the same classes", teacher.classes, student.classes),
        ("take images of the same size", teacher.image_size, student.image_size),
    ):
        if one != other:
            raise UserError(
                f"Two networks are compared over a split if they {what}, but these have {_few(one)} and {_few(other)}. "
                "Choose networks that belong together, such as those of one run."
            )


def _few(value: tuple[str, ...] | int) -> str:
    if isinstance(value, int):
        return f"{value} px"
    return ", ".join(value[:3]) + (", ..." if len(value) > 3 else "")


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """At most `THUMBNAIL` pixels a side: uint8 [S, S, 3]."""
    side = min(THUMBNAIL, len(picture))
    return cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=cv2.INTER_AREA)
