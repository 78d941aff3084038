"""A teacher with other classes than the data, or none: usable where no term reads its logits, refused where one does."""

import pytest
import torch

from kdcore import models
from kdcore.checks import preflight, teacher_check
from kdcore.errors import UserError
from kdcore.events import Noted, RunFinished
from kdcore.models import fitting, weight_files
from kdcore.recipe import ModelRecipe
from kdcore.setup.build import build_parts
from kdcore.training.loop import train

FEATURES = [{"method": "ce", "weight": 0.5}, {"method": "attention", "weight": 0.1}]
LOGITS = [*FEATURES, {"method": "kd", "temperature": 2.0}]
SPEC = ModelRecipe(model="small_vit_patch4_32", options={"dim": 32, "depth": 2, "heads": 2})


@pytest.fixture(params=["five classes", "no classifier"])
def teacher(request, tmp_path):
    network = models.build(SPEC, tuple("vwxyz"), 32)
    without = fitting.classifier_names(network.net) if request.param == "no classifier" else ()
    weight_files.save(network, tmp_path / "teacher.safetensors", without=without)
    return {"weights": str(tmp_path / "teacher.safetensors"), "accept": False}


def test_without_a_term_on_logits_it_teaches_and_its_accuracy_is_not_measured(teacher, tiny):
    recipe = tiny(teacher=teacher, terms=FEATURES, epochs=1)
    preflight.check(recipe)
    checked = teacher_check.check(recipe, device=torch.device("cpu"))
    assert checked.verdict == "ok"
    assert "No term reads the teacher's logits" in checked.findings[0].in_words
    assembling, notes = build_parts(recipe, seed=0, device=torch.device("cpu")), []
    while True:
        try:
            notes.append(next(assembling))
        except StopIteration as ended:
            parts = ended.value
            break
    told = [note.text for note in notes if isinstance(note, Noted)]
    assert any("No term reads its logits, so its accuracy is not measured." in text for text in told)
    (finished,) = [event for event in train(parts) if isinstance(event, RunFinished)]
    assert "teacher" not in finished.results
    assert {"student", "twin"} <= finished.results.keys()


def test_with_a_term_on_logits_it_is_refused(teacher, tiny):
    recipe = tiny(teacher=teacher, terms=LOGITS)
    with pytest.raises(
        UserError, match="have 5 classes, cues has 10|has no classifier, so its predictions would be random"
    ):
        list(build_parts(recipe, seed=0, device=torch.device("cpu")))


def test_pretrained_weights_have_the_classes_that_their_library_names(tiny):
    dino = tiny(teacher={"model": "vit_small_patch14_dinov2", "weights": "pretrained"}, terms=LOGITS)
    assert "have no classes, cues has 10" in preflight.class_counts(dino).in_words
    assert preflight.class_counts(tiny(teacher={"model": "test_vit", "weights": "pretrained"}, terms=FEATURES)) is None
