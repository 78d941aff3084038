"""What a run contributes to comparisons, by its recipe: runs whose test images differ at another size, where their pixels cannot tell: by the settings that choose or draw them."""

import pytest

from kdcore import recipe as recipes
from kdcore.events import RunFinished
from kdcore.results.comparison import Compared, conclude, with_student
from kdcore.store import Store
from kdcore.store.run_files import environment

STUDENT = {"top1": 0.7, "low": 0.6, "high": 0.8, "count": 200}


@pytest.fixture
def refusal(tmp_path):
    """Why the students of two runs are not compared, by what their data have besides CIFAR-10."""
    store = Store(tmp_path / "runs")

    def finished(top1: float, data: dict) -> str:
        plain = {"name": "a", "data": {"name": "cifar10", **data}, "student": {"model": "resnet20"}}
        run_id = store.create(recipes.from_plain(plain))
        environment.record(store.folder(run_id), {"data": {"test": {"sha256": f"{top1}"}}})
        with store.writer(run_id) as writer:
            writer.append(RunFinished(1, {"student": STUDENT | {"top1": top1}}, 1.0))
        return run_id

    def against(one: dict, other: dict) -> str:
        pair = with_student(*(store.outcome(finished(top1, data)) for top1, data in ((0.7, one), (0.6, other))))
        return conclude(Compared((pair,))).why

    return against


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"only": ["cat", "dog"]}, {"only": ["ship", "truck"]}),
        ({"test_images": 200, "seed": 1}, {"test_images": 200, "seed": 2}),
        ({"name": "cues"}, {"name": "cues", "test_seed": 7}),
        ({"name": "folder", "path": "/a"}, {"name": "folder", "path": "/b"}),
    ],
)
def test_other_images_at_another_size_are_not_compared(refusal, one, other):
    assert refusal({"image_size": 32, **one}, {"image_size": 64, **other}) == "the two were tested on different images"


def test_the_same_images_at_another_size_are(refusal):
    """All test images: no seed chooses them, and training images and augmentation are no part of them."""
    found = refusal(
        {"image_size": 32, "seed": 1}, {"image_size": 64, "seed": 2, "train_images": 500, "augment": ["flip"]}
    )
    assert found == "the run did not store which test images were predicted correctly"


@pytest.mark.parametrize(("weights", "pretrained"), [("none", False), ("cues-student", True)])
def test_a_student_that_begins_with_trained_weights_is_said_to(tmp_path, weights, pretrained):
    store = Store(tmp_path / "runs")
    run_id = store.create(
        recipes.from_plain({"name": "a", "student": {"model": "three_stage_cnn_16", "weights": weights}})
    )
    assert store.outcome(run_id).pretrained is pretrained
