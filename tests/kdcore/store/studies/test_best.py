"""The best variant of a study, by validation images."""

import pytest

from kdcore.cli.study_results import best_in_words
from kdcore.recipe import study as studies
from kdcore.store import RunState, StudyState
from kdcore.store.studies import Place


@pytest.fixture
def searched():
    """Makes a study's state from each variant's accuracies on validation images, a seed each."""

    def make(**accuracies: list[float]) -> StudyState:
        seeds = range(max(map(len, accuracies.values())))
        plain = {
            "name": "made up",
            "recipe": "quick",
            "variants": {name: {"epochs": place + 3} for place, name in enumerate(accuracies)},
        }
        study = studies.from_plain({**plain, "seeds": list(seeds)})
        places = []
        for point in studies.points(study):
            own = accuracies[point.variant]
            found = [RunState(id="r", name="r", status="finished", results={"student": {"top1": 0.5}}, latest={"student": {"top1": value}})
                     for value in own[point.seed : point.seed + 1]]  # fmt: skip
            places.append(Place(point, "r", found[0] if found else None))
        return StudyState("20260101-000000-made-up-0000", 0.0, study, tuple(places), lambda run: run.outcome)

    return make


def test_the_mean_over_the_finished_seeds_decides(searched):
    assert searched(a=[0.5, 0.7], b=[0.65, 0.65], c=[0.8, 0.4]).best == (["b"], 0.65)


def test_equal_variants_are_all_best(searched):
    found = searched(a=[0.5, 0.75], b=[0.625, 0.625], c=[0.5, 0.5])
    assert found.best == (["a", "b"], 0.625)
    assert best_in_words(*found.best) == "Best by validation accuracy: a and b, equally, 62.5 %"
    many = searched(**{name: [0.5] for name in "abcde"})
    assert best_in_words(*many.best) == "Best by validation accuracy: a, b, c and 2 more, equally, 50.0 %"
    assert best_in_words(["a"], 0.5) == "Best by validation accuracy: a, 50.0 %"


def test_before_a_run_has_ended_none_is_best(searched):
    assert searched(a=[], b=[0.5]).best == (["b"], 0.5)
