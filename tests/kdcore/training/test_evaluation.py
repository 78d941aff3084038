import numpy as np
import pytest
import torch

from kdcore import models
from kdcore.data import loading
from kdcore.recipe import ModelRecipe
from kdcore.results import metrics
from kdcore.results.predictions import balanced_accuracy, error_consistency
from kdcore.training import evaluation


@pytest.fixture
def split(tiny):
    return loading.load(tiny().data, "test")


def network(split, seed: int):
    torch.manual_seed(seed)
    return models.build(ModelRecipe(model="three_stage_cnn_16"), split.classes, 32)


def test_logits_come_in_the_order_of_the_split_whatever_the_mode(split):
    model = network(split, 0).train()
    said = evaluation.logits(model, split)
    alone = model.eval()(split.images[3:4].float() / 255).logits
    torch.testing.assert_close(said[3:4], alone, rtol=1e-4, atol=1e-5)


def test_the_model_is_left_in_its_mode_with_its_statistics(split):
    model = network(split, 0).train()
    model.net.eval()  # a part in another mode than the whole
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    evaluation.evaluate(model, split)
    assert model.training
    assert not model.net.training
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())


def test_a_comparison_counts_image_by_image(split):
    networks = {"teacher": network(split, 0), "student": network(split, 1), "twin": network(split, 2)}
    compared = evaluation.drained(evaluation.compare_in_steps(networks, split))
    found = compared.results
    answers = {name: evaluation.logits(model, split).argmax(1).numpy() for name, model in networks.items()}
    right = {name: answer == split.targets.numpy() for name, answer in answers.items()}
    assert found["student"]["correct"] == right["student"].sum()
    assert found["student"]["low"] <= found["student"]["top1"] <= found["student"]["high"]
    assert found["difference"]["top1"] == pytest.approx(right["student"].mean() - right["twin"].mean())
    assert found["agreement"]["twin"] == np.mean(answers["twin"] == answers["teacher"])
    assert compared.predictions["targets"].tolist() == split.targets.tolist()
    for name, answer in answers.items():
        assert compared.predictions[name].tolist() == answer.tolist()
        assert compared.predictions[name].dtype == np.int16


def test_a_comparison_measures_what_else_changed(split):
    networks = {"teacher": network(split, 0), "student": network(split, 1), "twin": network(split, 2)}
    outputs = {name: evaluation.logits(model, split) for name, model in networks.items()}
    steps = evaluation.compare_in_steps(networks, split, temperatures={"student": 2.0, "teacher": 0.5})
    found = evaluation.drained(steps).results
    answers, targets = outputs["student"].argmax(1).numpy(), split.targets.numpy()
    right = {name: values.argmax(1).numpy() == targets for name, values in outputs.items()}
    assert found["student"]["kl"] == metrics.divergence(outputs["teacher"], outputs["student"])
    assert found["student"]["error_consistency"] == error_consistency(right["student"], right["teacher"])
    assert found["student"]["balanced_accuracy"] == balanced_accuracy(targets, answers)
    scaled = metrics.classification(outputs["student"] / 2, split.targets)
    assert found["student"]["ece_scaled"] == pytest.approx(scaled["ece"], abs=1e-6)
    assert [found[name].get("temperature") for name in ("teacher", "student", "twin")] == [0.5, 2.0, None]
    assert "kl" not in found["teacher"]


def test_a_validation_can_fit_each_networks_temperature(split):
    models_by_name = {"student": network(split, 1)}
    figures = evaluation.drained(evaluation.evaluate_in_steps(models_by_name, split, calibrate=True))
    logits = evaluation.logits(models_by_name["student"], split)
    assert figures["student"]["calibrating"] == metrics.calibrating_temperature(logits, split.targets)
