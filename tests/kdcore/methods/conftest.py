"""What tests of losses share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _the_same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.fixture
def agree() -> Callable[[Loss, Loss, Tensor], None]:
    """Fails unless two losses have the same value and the same gradient at a student's output, to 1e-5."""

    def check(one: Loss, other: Loss, student: Tensor) -> None:
        told = []
        for loss in (one, other):
            leaf = student.clone().requires_grad_()
            value = loss(leaf)
            told.append((value.detach(), *torch.autograd.grad(value, leaf)))
        torch.testing.assert_close(told[0], told[1], rtol=1e-5, atol=1e-5)

    return check
