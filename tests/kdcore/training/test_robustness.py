import hashlib

import pytest
import torch

from kdcore.checks import before_run
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.events import RobustnessMeasured, RunFinished, StepEnded
from kdcore.robustness.conditions import title_of
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.store.evidence import what_else
from kdcore.training.loop import train
from kdcore.training.robustness import first_of_each_class

SETS = ["patch_scramble@4", "fourier_cue_conflict"]
DATA = {
    "name": "cues", "image_size": 32, "train_images": 300, "test_images": 60, "validation": 0.2, "batch_size": 60,
}  # fmt: skip


def trained(recipe):
    steps = build_parts(recipe, seed=0, device=torch.device("cpu"))
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            parts = ended.value
            return parts, list(train(parts))


@pytest.fixture(scope="module")
def with_and_without(tiny):
    plain = {"data": DATA, "epochs": 2}
    return trained(tiny(**plain, robustness={"sets": SETS, "images": 50})), trained(tiny(**plain))


def test_weights_and_losses_are_the_same_with_and_without_perturbed_sets(with_and_without):
    def digest(parts):
        tensors = [t for model in parts.networks.values() for t in (*model.parameters(), *model.buffers())]
        return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()

    (measured, events), (plain, others) = with_and_without
    assert digest(measured) == digest(plain)
    assert [e.losses for e in events if isinstance(e, StepEnded)] == [
        e.losses for e in others if isinstance(e, StepEnded)
    ]
    assert [model.training for model in measured.networks.values()] == [
        model.training for model in plain.networks.values()
    ]
    assert not any(isinstance(event, RobustnessMeasured) for event in others)


def test_all_networks_are_measured_after_every_epoch_on_the_same_images(with_and_without):
    (_, events), _ = with_and_without
    found = [event for event in events if isinstance(event, RobustnessMeasured)]
    assert [event.epoch for event in found] == [1, 2]
    for event in found:
        assert event.images == 50
        assert set(event.accuracy) == {"patch_scramble@4", "fourier_cue_conflict@1"}
        for name, accuracies in event.accuracy.items():
            assert set(accuracies) == {"teacher", "student", "twin"}
            for one in accuracies:
                for other in set(accuracies) - {one}:
                    gap = event.only[name][f"{one}/{other}"] - event.only[name][f"{other}/{one}"]
                    assert gap / 50 == pytest.approx(accuracies[one] - accuracies[other])
        assert set(event.shape_bias) <= {"fourier_cue_conflict@1"}
    teacher = {event.accuracy["patch_scramble@4"]["teacher"] for event in found}
    assert len(teacher) == 1


def test_test_images_are_never_used(tiny, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "kdcore.training.robustness.first_of_each_class",
        lambda split, count: seen.append(split.name) or first_of_each_class(split, count),
    )
    trained(tiny(data=DATA, epochs=1, robustness={"sets": SETS[:1], "images": 50}))
    assert seen == ["validation"]


def test_images_are_balanced_over_the_classes_and_keep_their_masks():
    targets = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
    split = Split("validation", ("a", "b", "c"), torch.arange(8 * 12, dtype=torch.uint8).reshape(8, 3, 2, 2), targets, {
        "masks": torch.arange(8)[:, None, None].expand(8, 2, 2) > 3,
    })  # fmt: skip
    chosen = first_of_each_class(split, 6)
    assert chosen.targets.tolist() == [0, 0, 1, 1, 2, 2]
    assert chosen.images.equal(split.images[[0, 1, 4, 5, 6, 7]])
    assert chosen.extras["masks"].any(dim=(1, 2)).tolist() == [False, False, True, True, True, True]


@pytest.mark.parametrize(
    ("robustness", "message"),
    [
        ({"sets": ["patch_scrambel@4"]}, "Unknown test set 'patch_scrambel'. Did you mean 'patch_scramble'?"),
        ({"sets": ["patch_scramble@much"]}, "The strength of patch_scramble is 'much'; a number was expected: grid"),
        (
            {"sets": ["patch_scramble@99"]},
            "The grid of scrambled patches is 99; it should be a whole number from 1 to 32",
        ),
        ({"sets": ["clean"]}, "names the clean images; the curves of accuracy are of these already: leave it out"),
        ({"sets": ["superpixels"]}, "superpixels takes too long to make during a run"),
        ({"sets": ["cues_conflict"]}, "cues_conflict has images of its own, so it is not made from validation images"),
        (
            {"sets": SETS, "images": 61},
            "`robustness.images` is 61, and there are 60 validation images: choose at most as many",
        ),
    ],
)
def test_sets_that_cannot_be_made_are_refused_before_the_run(tiny, robustness, message):
    recipe = tiny(data=DATA, robustness={"images": 50, **robustness})
    with pytest.raises(UserError) as refused:
        before_run.check(recipe)
    assert message in str(refused.value)


def test_sets_that_need_masks_are_refused_for_data_without_them(tiny):
    data = {"name": "cifar10", "image_size": 32, "train_images": 600, "test_images": 60, "batch_size": 60}
    from kdcore.checks import perturbed_sets

    with pytest.raises(UserError, match="Silhouettes .* cannot be made from these images: "):
        perturbed_sets.check(tiny(data=data, robustness={"sets": ["silhouettes"], "images": 50}))
    perturbed_sets.check(tiny(data=DATA, robustness={"sets": ["silhouettes"], "images": 50}))


def test_sets_that_a_run_can_measure_are_those_that_pass_its_check(tiny):
    from kdcore.checks import perturbed_sets

    drawn, photos = perturbed_sets.possible("cues", 32), perturbed_sets.possible("cifar10", 32)
    assert drawn["patch_scramble@4"] == "Scrambled patches (4)"
    assert "silhouettes@1" in drawn.keys() - photos.keys()
    assert not {"superpixels@50", "cues_conflict@1"} & drawn.keys()  # slow to make; images of its own
    for name in drawn:
        perturbed_sets.check(tiny(data=DATA, robustness={"sets": [name], "images": 50}))


def test_perturbed_sets_need_validation_images(tiny):
    with pytest.raises(UserError, match="are made from the validation images, and there are none: set data.validation"):
        tiny(data={**DATA, "validation": 0}, robustness={"sets": SETS})


def test_a_set_is_named_once(tiny):
    with pytest.raises(UserError, match="`robustness.sets` names 'low_pass@2' twice"):
        tiny(data=DATA, robustness={"sets": ["low_pass@2", "low_pass@2"]})


def test_a_stored_run_has_curves_and_one_line_of_what_else_passed_on(with_and_without, tmp_path, tiny):
    (_, events), _ = with_and_without
    store = Store(tmp_path)
    run_id = store.create(tiny(data=DATA, robustness={"sets": SETS, "images": 50}))
    with store.writer(run_id) as writer:
        for event in events:
            if type(event).__name__ not in ("StepTaken", "CheckpointReady"):
                writer.append(event)
    steps, values = store.series(run_id)["perturbed/patch_scramble@4/twin"]
    found = [event for event in events if isinstance(event, RobustnessMeasured)]
    assert list(steps) == [event.step for event in found]
    assert list(values) == [event.accuracy["patch_scramble@4"]["twin"] for event in found]
    assert store.state(run_id).robustness[0]["images"] == 50
    assert isinstance(events[-1], RunFinished)
    assert "accuracy" in what_else(store, run_id, title_of)
    assert " comparisons" in what_else(store, run_id, title_of) or "is not known" in what_else(store, run_id, title_of)


def test_a_run_without_a_twin_has_no_such_line(tmp_path, tiny):
    store = Store(tmp_path)
    assert what_else(store, store.create(tiny()), title_of) == ""
