"""From a recipe to a teacher check, with tiny networks and drawn images."""

import pytest
import torch

from kdcore import methods, models
from kdcore.checks import predictions, teacher_check
from kdcore.checks.predictions import fingerprint, logits, sample
from kdcore.data.datasets.cues import Cues
from kdcore.data.split import Split
from kdcore.events import Noted, RunStarted
from kdcore.models import Tapped
from kdcore.recipe import ModelRecipe, Recipe
from kdcore.setup.build import build_parts
from kdcore.training.evaluation import drained, evaluate
from kdcore.training.loop import train
from tests.kdcore.conftest import TINY

CPU = torch.device("cpu")
GREY = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def made(classes: tuple[str, ...] = Cues.classes) -> Tapped:
    return models.build(ModelRecipe(model="three_stage_cnn_16"), classes, 32).eval()


@pytest.fixture
def kept(tmp_path):
    """Writes a network as a weight file; gives its path."""

    def keep(model: Tapped) -> str:
        models.save(model, tmp_path / "teacher.safetensors")
        return str(tmp_path / "teacher.safetensors")

    return keep


def verdicts(recipe: Recipe) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in teacher_check.check(recipe, device=CPU).findings}


def test_a_bundled_teacher_passes_every_check(tiny):
    recipe = tiny(teacher={"weights": "cues-teacher"}, data={"name": "cues", "train_images": 400, "validation": 0.25})
    checked = teacher_check.check(recipe, device=CPU)
    assert checked.verdict == "ok", checked.findings
    assert checked.images == 100
    assert checked.figures["top1"] > 0.9
    assert 0.8 < checked.figures["seen"] < 1
    assert (
        f"It was trained on {100 * checked.figures['seen']:.0f} % of these validation images"
        in checked.findings[0].finding
    )
    layers = next(finding.finding for finding in checked.findings if finding.check == "layers")
    assert (
        layers == "Teacher: 6 blocks on a grid of 8 × 8 patches, 4 heads. Student: 3 maps of 32 × 32, 16 × 16, 8 × 8."
    )


def test_a_teacher_that_has_learned_nothing_is_stopped(tiny):
    assert verdicts(tiny())["accuracy"] == "stop"


def test_different_numbers_of_classes_are_found_without_loading_anything(tiny):
    checked = teacher_check.check(tiny(teacher={"model": "deit_tiny_patch16_224", "weights": "pretrained"}), device=CPU)
    (finding,) = checked.findings
    assert "have 1000 classes, cues has 10" in finding.finding
    assert [remedy.changes for remedy in finding.remedies[:2]] == [
        ("teacher.finetune={epochs: 3}",), ("teacher.map_classes=true",),
    ]  # fmt: skip


def test_a_teacher_to_be_fine_tuned_is_checked_later(tiny):
    found = teacher_check.check(tiny(teacher={"model": "small_vit_patch4_32", "finetune": {"epochs": 2}}), device=CPU)
    assert found.verdict == "ok"
    assert "Checked after its fine-tuning on cues for 2 epochs." in found.findings[0].finding


def test_a_pairing_that_cannot_work_is_reported_with_the_methods_reason(tiny):
    recipe = tiny(
        teacher={"model": "three_stage_cnn_16"}, terms=[{"method": "attention", "options": {"student": "nowhere"}}]
    )
    with pytest.raises(ValueError, match="no option 'student'") as refusal:
        methods.check(recipe.terms[0])
    pairing = [finding for finding in teacher_check.check(recipe, device=CPU).findings if finding.check == "pairing"]
    assert [(finding.verdict, finding.finding) for finding in pairing] == [("stop", str(refusal.value))]


def test_two_classes_are_too_few_for_some_methods(tiny):
    two = {**tiny().data.model_dump(), "only": list(Cues.classes[:2]), "test_images": None, "train_images": 40}
    found = teacher_check.check(tiny(data=two, terms=[{"method": "kd"}, {"method": "dkd"}]), device=CPU).findings
    (warned,) = [finding for finding in found if finding.check == "pairing"]
    assert warned.verdict == "warn"
    assert (
        "dkd: with two classes there is a single other class, so the part among the others is always 0"
        in warned.finding
    )


def test_only_a_quick_check_runs_by_itself(tiny):
    assert teacher_check.is_quick(tiny())
    assert teacher_check.is_quick(
        tiny(data={"name": "cifar10"})
    )  # it is not on this machine, which is all that is found
    assert not teacher_check.is_quick(tiny(data={"name": "cues", "train_images": 20_000}))


def test_a_run_is_stopped_by_the_teacher_check(tiny):
    careful = tiny(teacher={**tiny().teacher.model_dump(), "accept": False})
    with pytest.raises(ValueError, match=r"learn nothing from it.*run it all the same: teacher\.accept: true"):
        list(build_parts(careful, seed=0, device=CPU))


def test_an_accepted_teacher_runs_with_a_warning(tiny):
    notes = [event for event in build_parts(tiny(), seed=0, device=CPU) if isinstance(event, Noted)]
    assert any("The teacher's accuracy" in note.text and note.level == "warning" for note in notes)


def test_labels_in_another_order_stop_a_run_and_mapping_fixes_it(tiny, kept):
    shifted = (*Cues.classes[1:], Cues.classes[0])
    file = kept(made(shifted))
    stopped = {"weights": file, "accept": False}
    with pytest.raises(
        ValueError, match=r"same names in another order.*teacher\.map_classes: true|learn nothing from it"
    ):
        list(build_parts(tiny(teacher=stopped), seed=0, device=CPU))
    mapped = models.build(tiny(teacher={"weights": file, "map_classes": True}).teacher, Cues.classes, 32)
    images = torch.rand(4, 3, 32, 32)
    assert mapped.classes == Cues.classes
    torch.testing.assert_close(mapped.eval()(images).logits, made_from(file)(images).logits.roll(1, dims=1))


def made_from(file: str) -> Tapped:
    return models.load(file).eval()


def test_another_normalisation_is_what_the_network_would_see():
    model, images = made(), Split("test", Cues.classes, torch.randint(0, 256, (6, 3, 32, 32)).byte(), torch.arange(6))
    mean, std = (0.4, 0.3, 0.2), (0.2, 0.25, 0.3)
    pixels = images.images.float() / 255
    seen = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(logits(model, images, mean, std), model.net(seen), atol=1e-5, rtol=1e-5)


def test_the_fingerprint_changes_with_any_number_and_with_nothing_else():
    model = made()
    before = fingerprint(model)
    assert fingerprint(model.train()) == before
    with torch.no_grad():
        next(model.net.buffers()).view(-1)[0] += 1
    assert fingerprint(model) != before


def test_a_sample_is_stratified_and_has_the_correct_labels():
    truth = torch.tensor([0] * 80 + [1] * 20)
    split = Split(
        "train", ("a", "b"), torch.zeros(100, 3, 8, 8, dtype=torch.uint8), torch.full((100,), -1), truth=truth
    )
    assert torch.bincount(sample(split, 50).targets).tolist() == [40, 10]


def test_a_split_of_few_more_images_than_needed_is_used_whole():
    split = Split("train", ("a", "b"), torch.zeros(100, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 50))
    assert len(sample(split, 67)) == 100
    assert len(sample(split, 66)) == 66


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_run_takes_the_teachers_figures_from_the_check(tiny, precision):
    parts = drained(build_parts(tiny(precision=precision), seed=0, device=CPU))
    figures = next(event.teacher for event in train(parts) if isinstance(event, RunStarted))
    assert figures is parts.teacher_figures
    measured = evaluate(parts.teacher.model, parts.validation, precision=precision)
    found = {name: figures[name] for name in measured}
    assert found == pytest.approx(measured, abs=1e-6 if precision == "exact" else 2e-2)


def test_of_many_validation_images_the_figures_are_measured_on_all(tiny, monkeypatch):
    monkeypatch.setattr(predictions, "FEWEST", 4)
    monkeypatch.setattr(predictions, "IMAGES", 4)
    parts = drained(build_parts(tiny(), seed=0, device=CPU))
    assert "top1" not in (parts.teacher_figures or {})
    figures = next(event.teacher for event in train(parts) if isinstance(event, RunStarted))
    assert figures["count"] == len(parts.validation) > 6
    assert figures["seen"] == 0.0


def test_a_file_s_teacher_that_gets_images_of_another_size_is_a_warning_with_the_setting(tiny, kept):
    file = kept(made())  # for images of 32 px
    small = tiny(teacher={"weights": file, "accept": True})
    (found,) = [each for each in teacher_check.check(small, device=CPU).findings if each.check == "image size"]
    assert found.in_words == (
        "Its weights are for images of 32 px, and it gets those of 16 px, which may cost accuracy. Give the teacher images of 32 px "
        "(teacher.image_size: 32)."
    )
    assert "image size" not in verdicts(tiny(teacher={"weights": file, "accept": True, "image_size": 16}))
    assert "image size" not in verdicts(
        tiny(teacher={"weights": file, "accept": True}, data={**TINY["data"], "image_size": 32})
    )
