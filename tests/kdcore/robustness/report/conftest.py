"""A study without runs on disk, and outcomes of made-up networks."""

import numpy as np
import pytest

from kdcore.recipe import study as studies
from kdcore.results.bias import Outcome
from kdcore.store import RunState, StudyState
from kdcore.store.studies import Place

N, CLASSES = 600, 6
RECIPE = {
    "data": {"name": "cues", "image_size": 32},
    "teacher": {"weights": "cues-teacher"},
    "student": {"model": "three_stage_cnn_16"},
    "terms": [{"method": "ce"}, {"method": "kd"}],
}


@pytest.fixture
def study_state():
    """Makes a study's state: variants, seeds, and which of its runs (variant, seed) are not finished."""

    def make(variants: dict, seeds=(0, 1, 2), unfinished=(), recipe=RECIPE) -> StudyState:
        study = studies.from_plain({"name": "made up", "recipe": recipe, "variants": variants, "seeds": list(seeds)})
        places = []
        for point in studies.points(study):
            run_id = f"{point.variant}-{point.seed}"
            done = (point.variant, point.seed) not in unfinished
            run = (
                RunState(id=run_id, name=run_id, status="finished", results={"student": {"top1": 0.5}})
                if done
                else None
            )
            places.append(Place(point, run_id, run))
        return StudyState("20260101-000000-made-up-0000", 0.0, study, tuple(places), lambda run: run.outcome)

    return make


@pytest.fixture
def outcome():
    """Makes an outcome in which a share of the images is right, the first ones of an order that the seed decides in part."""

    def make(right: float, seed: int = 0, wrong_class: int = 1) -> Outcome:
        targets = np.arange(N) % CLASSES
        random = np.random.default_rng(seed)
        hardness = np.arange(N) / N + 0.15 * random.standard_normal(N)
        correct = hardness < np.quantile(hardness, right)
        predicted = np.where(correct, targets, (targets + wrong_class) % CLASSES)
        logits = random.standard_normal((N, CLASSES)) * 0.1
        logits[np.arange(N), predicted] += 3
        return Outcome(targets, logits.astype(np.float32))

    return make
