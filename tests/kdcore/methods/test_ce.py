import math

import torch

from kdcore.methods.ce import ce_loss
from kdcore.tensors.outputs import NO_LABEL


def test_value_worked_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    expected = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    torch.testing.assert_close(ce_loss(logits, torch.tensor([0, 1])), torch.tensor(expected))


def test_images_without_a_label_count_for_nothing():
    logits, targets = torch.randn(6, 4), torch.tensor([0, NO_LABEL, 2, NO_LABEL, 3, NO_LABEL])
    kept = targets != NO_LABEL
    torch.testing.assert_close(ce_loss(logits, targets), ce_loss(logits[kept], targets[kept]))


def test_a_batch_without_any_label_gives_zero_and_a_gradient_of_zero():
    logits = torch.randn(3, 4, requires_grad=True)
    loss = ce_loss(logits, torch.full((3,), NO_LABEL))
    loss.backward()
    assert loss == 0
    assert logits.grad.abs().max() == 0


def test_smoothing_is_torch_s_own():
    logits, targets = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    torch.testing.assert_close(ce_loss(logits, targets, smoothing=0.1), expected)
