import copy

import numpy as np
import pytest
import torch

from kdcore import explain
from kdcore.explain import probe

from .conftest import build, images_for


def test_the_maps_that_each_model_calls_its_own(model):
    networks = {"teacher": model("our_vit"), "student": model("our_cnn")}
    images = images_for(networks["student"], 3)
    arrays = probe.take(networks, images)
    assert set(arrays) == {"teacher", "student", "teacher_probabilities", "student_probabilities"}
    for name, network in networks.items():
        expected = explain.explain(network, images, explain.default_map(network))
        assert arrays[name].dtype == arrays[f"{name}_probabilities"].dtype == np.float16
        np.testing.assert_allclose(arrays[name], expected.heatmaps, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(arrays[f"{name}_probabilities"], expected.probabilities, rtol=1e-3, atol=1e-6)


def a_few_steps(network, images, looking: bool) -> list[torch.Tensor]:
    """Training with dropout and batch statistics, looked at between the steps or not."""
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    noise = torch.nn.Dropout(0.2)
    for _ in range(3):
        loss = network(noise(images)).logits.logsumexp(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if looking:
            probe.take({"student": network}, images)
            explain.heatmap(network, images, explain.default_map(network))
    return [*network.state_dict().values(), torch.get_rng_state(), torch.rand(3)]


@pytest.mark.parametrize("kind", ["our_cnn", "our_vit"])
def test_a_probe_does_not_change_training(kind):
    """Bit for bit: weights, BatchNorm statistics, the random state and the next random numbers."""
    network = build(kind).train()
    other = copy.deepcopy(network)
    images = images_for(network, 4)
    unseen, seen = a_few_steps(network, images, looking=False), a_few_steps(other, images, looking=True)
    assert all(torch.equal(a, b) for a, b in zip(unseen, seen, strict=True))
    assert all(module.training for module in other.modules())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_random_state_of_the_gpu_is_put_back():
    network = build("our_cnn").cuda().train()
    before = torch.cuda.get_rng_state()
    probe.take({"student": network}, images_for(network).cuda())
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_diverged_network_gives_nan_and_no_error():
    network = build("our_cnn")
    with torch.no_grad():
        network.net.head.weight.fill_(torch.nan)
        network.net.stages[0][0].weight.fill_(torch.nan)
    arrays = probe.take({"student": network}, images_for(network))
    assert np.isnan(arrays["student"]).all()
