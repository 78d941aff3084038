import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch.nn import functional as F

from kdcore.methods.attention import (
    Attention,
    attention_loss,
    normalised_entropy,
    pair_by_depth,
    spatial_maps,
)
from kdcore.tensors.outputs import Batch, Outputs, Shapes

VIT = Shapes(classes=3, pooled=8, features=((8, 4, 4),) * 4, attention=((2, 4, 4),) * 4)
CNN = Shapes(classes=3, pooled=8, features=((4, 8, 8), (8, 4, 4)), attention=())


def maps(*shape: int) -> torch.Tensor:
    raw = torch.rand(*shape) + 0.01
    return raw / raw.sum(dim=(1, 2), keepdim=True)


def vit_outputs(batch: int = 2) -> Outputs:
    attention = tuple(torch.rand(batch, 2, 16).softmax(-1).reshape(batch, 2, 4, 4) * 0.9 for _ in range(4))
    return Outputs(
        torch.randn(batch, 3), torch.randn(batch, 8), tuple(torch.randn(batch, 8, 4, 4) for _ in range(4)), attention
    )


def cnn_outputs(batch: int = 2) -> Outputs:
    features = tuple(torch.randn(batch, c, h, h, requires_grad=True) for c, h in ((4, 8), (8, 4)))
    return Outputs(torch.randn(batch, 3), torch.randn(batch, 8), features)


BATCH = Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.tensor([0, 1]))


def test_kl_value_worked_by_hand():
    student = torch.tensor([[[0.5, 0.5]]])
    teacher = torch.tensor([[[0.75, 0.25]]])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    torch.testing.assert_close(attention_loss(student, teacher), torch.tensor(expected))


def test_js_agrees_with_scipy():
    student, teacher = maps(3, 5, 5), maps(3, 5, 5)
    expected = sum(jensenshannon(s.flatten(), t.flatten()) ** 2 for s, t in zip(student, teacher, strict=True)) / 3
    assert attention_loss(student, teacher, divergence="js").item() == pytest.approx(expected, rel=1e-4)


def test_l2_is_the_attention_transfer_loss_as_its_authors_code_it():
    student, teacher = torch.randn(2, 6, 4, 4), torch.randn(2, 9, 4, 4)

    def at(x: torch.Tensor) -> torch.Tensor:  # the form of the paper's public code, rewritten
        return F.normalize(x.pow(2).mean(1).view(x.size(0), -1))

    expected = (at(student) - at(teacher)).pow(2).mean()
    ours = [m.pow(2).mean(1) for m in (student, teacher)]
    torch.testing.assert_close(attention_loss(*ours, divergence="l2"), expected)


@pytest.mark.parametrize("divergence", ["kl", "js", "l2", "mse"])
def test_is_zero_for_equal_maps(divergence):
    same = maps(2, 4, 4)
    assert attention_loss(same, same, divergence=divergence).abs() < 1e-6


def test_the_finer_map_is_pooled_to_the_coarser_grid():
    coarse = maps(2, 2, 2)
    fine = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2) / 16
    assert attention_loss(fine, coarse).abs() < 1e-6


def test_entropy_is_one_for_a_uniform_map_and_zero_for_a_single_cell():
    single = torch.zeros(1, 4, 4)
    single[0, 1, 2] = 1
    assert normalised_entropy(torch.full((1, 4, 4), 1 / 16)).item() == pytest.approx(1)
    assert normalised_entropy(single).item() == pytest.approx(0, abs=1e-6)


def test_every_map_sums_to_one_whatever_went_to_prefix_tokens():
    for outputs in (vit_outputs(), cnn_outputs()):
        for layer in spatial_maps(outputs):
            torch.testing.assert_close(layer.sum(dim=(1, 2)), torch.ones(2))


def test_the_gradient_is_thousands_of_times_that_of_the_naive_mean_squared_error():
    torch.manual_seed(0)
    logits, teacher = torch.randn(8, 196, requires_grad=True), torch.randn(8, 196).softmax(1).reshape(8, 14, 14)

    def size(divergence: str) -> float:
        student = logits.softmax(1).reshape(8, 14, 14)
        return torch.autograd.grad(attention_loss(student, teacher, divergence=divergence), logits)[0].norm().item()

    assert size("kl") > 1000 * size("mse")


def test_decisive_layers_come_to_weigh_more():
    method = Attention(CNN, VIT, layers="entropy", smoothing=0.0).train()
    said = vit_outputs()
    peaked = torch.full((2, 2, 4, 4), 0.001)
    peaked[:, :, 1, 1] = 0.985
    method(cnn_outputs(), Outputs(said.logits, said.pooled, said.features, (*said.attention[:3], peaked)), BATCH, 1.0)
    weights = method.layer_weights()
    assert weights.argmax() == 3
    assert weights.max() <= 0.4 + 1e-6
    assert weights.sum().item() == pytest.approx(1)


def test_weights_stand_still_in_evaluation_and_when_uniform():
    for method in (Attention(CNN, VIT, layers="entropy").eval(), Attention(CNN, VIT, layers="uniform").train()):
        method(cnn_outputs(), vit_outputs(), BATCH, 1.0)
        torch.testing.assert_close(method.layer_weights(), torch.full((4,), 0.25))


def test_inverse_entropy_is_nearly_flat():
    entropies = torch.tensor([5.94, 5.93, 5.92, 5.90]) / math.log(400)  # nats, over the largest possible
    method = Attention(CNN, VIT, layers="inverse_entropy", cap=1.0, smoothing=0.0)
    method.weigh.observe(entropies)
    inverse = [1 / nats for nats in (5.94, 5.93, 5.92, 5.90)]
    torch.testing.assert_close(method.layer_weights(), torch.tensor([each / sum(inverse) for each in inverse]))
    assert method.layer_weights().tolist() == pytest.approx([0.249, 0.250, 0.250, 0.251], abs=6e-4)


def test_layers_with_given_weights_keep_them():
    method = Attention(CNN, VIT, layers=(4.0, 0.0, 0.0, 4.0)).train()
    method(cnn_outputs(), vit_outputs(), BATCH, 1.0)
    torch.testing.assert_close(method.layer_weights(), torch.tensor([0.5, 0.0, 0.0, 0.5]))


@pytest.mark.parametrize("layers", ["entropy", "inverse_entropy", "uniform", (1.0, 2.0, 3.0, 4.0)])
@pytest.mark.parametrize("divergence", ["kl", "js", "l2", "mse"])
def test_every_divergence_goes_with_every_weighting_of_layers(divergence, layers):
    student = cnn_outputs()
    Attention(CNN, VIT, divergence=divergence, layers=layers)(student, vit_outputs(), BATCH, 1.0).backward()
    assert all(layer.grad is not None and layer.grad.isfinite().all() for layer in student.features)
    assert any(layer.grad.abs().sum() > 0 for layer in student.features)


def test_the_loss_is_the_weighted_sum_over_layers():
    student, teacher = cnn_outputs(), vit_outputs()
    ours, theirs = spatial_maps(student), spatial_maps(teacher)
    expected = sum(w * attention_loss(ours[s], theirs[t]) for t, (w, s) in enumerate(((0.1, 0), (0.2, 0), (0.3, 1), (0.4, 1))))  # fmt: skip
    loss = Attention(CNN, VIT, layers=(1.0, 2.0, 3.0, 4.0))(student, teacher, BATCH, 1.0)
    torch.testing.assert_close(loss, expected)


def test_layers_are_paired_by_depth():
    assert pair_by_depth(3, 12) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert pair_by_depth(4, 2) == [0, 2]


def test_works_from_a_cnn_to_a_vit_as_well():
    student = vit_outputs()
    leaf = student.attention[0].clone().requires_grad_()
    student = Outputs(student.logits, student.pooled, student.features, (leaf, *student.attention[1:]))
    Attention(VIT, CNN)(student, cnn_outputs(), BATCH, 1.0).backward()
    assert leaf.grad.abs().sum() > 0


def test_refusals_name_what_would_do():
    with pytest.raises(ValueError, match="'klx' is not one of kl, js, l2, mse"):
        Attention(CNN, VIT, divergence="klx")
    with pytest.raises(ValueError, match="4 layers, so `layers` needs 4 weights"):
        Attention(CNN, VIT, layers=(1.0, 2.0))
