import os
from pathlib import Path

import pytest
import torch

from kdcore import models
from kdcore.data import loading
from kdcore.events import Noted
from kdcore.recipe import FineTune, ModelRecipe
from kdcore.runner import Runner
from kdcore.setup import teacher as teachers
from kdcore.setup import teacher_finetuning
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.tensors.outputs import NO_LABEL
from kdcore.training.state import Parts

TEACHER = {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}}
TUNED = {**TEACHER, "finetune": {"epochs": 1, "lr": 0.001}}


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch) -> Path:
    """A data folder of the test's own, and where fine-tuned teachers lie in it."""
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "teachers"


@pytest.fixture
def tuned(tiny):
    """Builds the parts of a tiny run whose teacher is fine-tuned; gives them with what was said."""

    def build(*, seed: int = 0, own: Path | None = None, **changes) -> tuple[Parts, list[str]]:
        steps = build_parts(
            tiny(**{"teacher": TUNED, **changes}), seed=seed, device=torch.device("cpu"), teacher_file=own
        )
        told: list[str] = []
        try:
            while True:
                if isinstance(event := next(steps), Noted):
                    told.append(event.text)
        except StopIteration as ended:
            return ended.value, told

    return build


def weights(parts: Parts) -> torch.Tensor:
    return torch.cat([p.flatten() for p in parts.teacher.model.parameters()])


def trained(told: list[str]) -> bool:
    return any("Fine-tuning the teacher" in text for text in told)


def test_a_teacher_is_tuned_once_for_all_seeds(tuned, shelf):
    first, told = tuned(seed=0)
    assert trained(told)
    assert any("Runs with the same settings share it, whatever their seed" in text for text in told)
    assert any(": 1 epoch of " in text for text in told)
    second, told_again = tuned(seed=1)
    assert not trained(told_again)
    assert any(f"with the same settings and images: {shelf}" in text for text in told_again)
    assert torch.equal(weights(first), weights(second))
    assert len(list(shelf.iterdir())) == 1


def test_a_teacher_just_tuned_and_one_from_its_file_have_the_same_outputs_to_the_bit(tuned):
    first, _ = tuned()
    again, told = tuned()
    assert not trained(told)
    images = first.test.images.float() / 255
    assert torch.equal(first.teacher(images).logits, again.teacher(images).logits)
    fused = [{m.fused_attn for m in p.teacher.model.modules() if hasattr(m, "fused_attn")} for p in (first, again)]
    assert fused[0] == fused[1]  # else they compute attention in different ways


def test_the_folder_of_teachers_keeps_to_its_limit(tuned, tiny, shelf, monkeypatch):
    tuned()
    (old,) = shelf.glob("*.safetensors")
    monkeypatch.setenv("KD_TEACHERS_GB", str(1.5 * old.stat().st_size / 1e9))
    tuned(data={**tiny().data.model_dump(), "seed": 1})
    (left,) = shelf.glob("*.safetensors")
    assert left != old


def test_few_and_wrong_labels_are_the_student_s_and_the_twin_s_alone(tuned, tiny):
    clean, _ = tuned()
    few = {**tiny().data.model_dump(), "labels": 20, "label_noise": 0.5}
    harmed, told = tuned(data=few)
    assert not trained(told)  # the same teacher serves both
    assert torch.equal(weights(clean), weights(harmed))
    assert (harmed.train.targets != NO_LABEL).sum() == 20
    assert any("10 of 20 training labels are wrong on purpose" in text for text in told)


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": {**TUNED, "finetune": {"epochs": 2, "lr": 0.001}}},
        {"teacher": {**TUNED, "finetune": {"epochs": 1, "lr": 0.001, "freeze_backbone": True}}},
        {"teacher": {**TUNED, "mean": [0.1, 0.2, 0.3]}},
        {"precision": "fast"},
    ],
    ids=["epochs", "frozen", "statistics", "precision"],
)
def test_whatever_decides_a_teacher_makes_another(tuned, changes):
    tuned()
    _, told = tuned(**changes)
    assert trained(told)


@pytest.mark.parametrize("changes", [{"train_images": 90}, {"seed": 1}, {"augment": ["flip"]}], ids=str)
def test_other_images_make_another_teacher(tuned, tiny, changes):
    tuned()
    _, told = tuned(data={**tiny().data.model_dump(), **changes})
    assert trained(told)


def test_what_the_student_does_makes_no_other_teacher(tuned):
    tuned()
    _, told = tuned(epochs=1, optimizer={"lr": 0.1}, lr={"shape": "constant"}, terms=[{"method": "kd"}], twin=False)
    assert not trained(told)


def test_one_photo_replaced_by_another_makes_another_name(tiny):
    split = loading.load(tiny().data, "train")
    parts = teacher_finetuning.recipe_of(tiny(), model := _random(split), FineTune())
    before = teacher_finetuning.fingerprint(model, parts, FineTune(), split)
    split.images[5] = 255 - split.images[5]
    assert teacher_finetuning.fingerprint(model, parts, FineTune(), split) != before
    assert before.startswith("small_vit_patch4_32-")


def test_a_damaged_file_is_said_and_made_again(tuned, shelf):
    first, _ = tuned()
    (file,) = shelf.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    second, told = tuned()
    assert any(f"{file} cannot be used, so it is fine-tuned again" in text for text in told)
    assert trained(told)
    assert torch.equal(weights(first), weights(second))
    assert file.stat().st_size > 1000


def test_a_run_keeps_its_teacher_when_the_shelf_is_emptied(tuned, shelf, tmp_path):
    own = tmp_path / "teacher.safetensors"
    first, _ = tuned(own=own)
    for file in shelf.iterdir():
        assert os.path.samefile(file, own)  # not a second copy on the disk
        file.unlink()
    second, told = tuned(own=own)
    assert not trained(told)
    assert torch.equal(weights(first), weights(second))


def test_a_damaged_file_of_the_run_comes_back_from_the_shelf(tuned, tmp_path):
    own = tmp_path / "teacher.safetensors"
    tuned(own=own)
    own.unlink()
    own.write_bytes(b"not weights")
    _, told = tuned(own=own)
    assert any("cannot be used, so it is fine-tuned again" in text for text in told)
    assert not trained(told)
    assert own.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_costs_the_shelf_not_the_run(tuned, shelf, tmp_path):
    shelf.parent.mkdir()
    shelf.write_text("in the way")
    parts, told = tuned(own=tmp_path / "teacher.safetensors")
    assert parts.teacher is not None
    assert any(f"cannot be stored in {shelf}" in text for text in told)
    assert (tmp_path / "teacher.safetensors").is_file()


def test_runs_of_two_seeds_share_one_teacher_on_the_disk(tiny, tmp_path, shelf):
    runner = Runner(Store(tmp_path / "runs"), device="cpu", threads=1)
    try:
        ids = runner.start(tiny(teacher=TUNED, seeds=[0, 1], epochs=1))
        assert all(runner.wait(run_id, 60) for run_id in ids)
        one, two = (runner.store.folder(run_id) / "teacher.safetensors" for run_id in ids)
        assert os.path.samefile(one, two)
        assert [runner.store.state(run_id).status for run_id in ids] == ["finished", "finished"]
    finally:
        runner.close()


def _random(split):
    torch.manual_seed(0)
    return models.build(ModelRecipe.model_validate(TEACHER), split.classes, 32)


def test_augmentation_decides_which_teacher_is_shared_and_mixtures_do_not(tiny):
    settings = FineTune(epochs=1)
    split = loading.load(tiny().data, "train")
    model = models.build(ModelRecipe(**TEACHER), split.classes, 32)

    def name(**data) -> str:
        recipe = tiny(data={**tiny().data.model_dump(), **data})
        tuning = teacher_finetuning.recipe_of(recipe, model, settings)
        assert not tuning.data.mixed
        return teacher_finetuning.fingerprint(model, tuning, settings, split)

    plain = name()
    assert name(mixup=0.2, cutmix=1.0) == plain
    others = {name(erasing=0.2), name(rand_augment={}), name(resized_crop={}), name(resized_crop={"scale": [0.5, 1]})}
    assert len(others | {plain}) == 5


@pytest.mark.parametrize(
    ("teacher", "order"),
    [(TUNED, ["train", "test", "teacher"]), ({**TEACHER, "accept": True}, ["train", "teacher", "test"])],
)
def test_test_images_are_read_before_a_fine_tuning_and_after_a_check(tuned, monkeypatch, teacher, order):
    read, built, seen = loading.load, teachers.prepared, []

    def noting(data, name, **options):
        seen.append(name)
        return read(data, name, **options)

    def preparing(*arguments):
        seen.append("teacher")
        return built(*arguments)

    monkeypatch.setattr(loading, "load", noting)
    monkeypatch.setattr(teachers, "prepared", preparing)
    parts, _ = tuned(teacher=teacher)
    assert [name for name in seen if name != "validation"] == order
    assert len(parts.test) > 0
