import copy
import hashlib

import torch
from torch import nn

from kdcore import models
from kdcore.models.teacher import Teacher
from kdcore.recipe import ModelRecipe
from kdcore.runtime import mixed_precision

NEEDS = frozenset({"logits", "features"})


def made(name: str = "test_resnet", **keywords: str) -> Teacher:
    return Teacher(models.build(ModelRecipe(model=name), tuple("abc"), 64), **keywords)


def fingerprint(model: nn.Module) -> str:
    """Of every parameter and buffer."""
    tensors = [*model.parameters(), *model.buffers()]
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()


class Owner(nn.Module):
    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher
        self.student = nn.Linear(3, 3)


def test_nothing_about_it_changes_while_its_owner_trains():
    teacher = made()
    owner = Owner(teacher).train().requires_grad_(True)
    before = fingerprint(teacher)
    optimizer = torch.optim.SGD([p for p in owner.parameters() if p.requires_grad], lr=1.0, weight_decay=0.1)
    for _ in range(3):
        owner.train()
        said = teacher(torch.rand(4, 3, 64, 64), NEEDS)
        gap = (owner.student(torch.rand(4, 3)) - said.logits).square().mean()
        optimizer.zero_grad()
        gap.backward()
        optimizer.step()
    assert fingerprint(teacher) == before
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_stays_in_eval_mode_whoever_calls_train():
    teacher = made()
    Owner(teacher).train()
    assert not any(module.training for module in teacher.modules())
    teacher.model.train()  # past the teacher
    before = fingerprint(teacher)
    teacher(torch.rand(2, 3, 64, 64), NEEDS)
    assert fingerprint(teacher) == before
    assert not any(module.training for module in teacher.modules())


def test_stays_frozen_whoever_unfreezes():
    teacher = made()
    teacher.requires_grad_(True)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_answers_can_be_used_in_a_loss():
    said = made()(torch.rand(2, 3, 64, 64), NEEDS)
    assert not said.logits.requires_grad
    assert not said.logits.is_inference()
    weight = torch.ones(3, requires_grad=True)
    (said.logits * weight).sum().backward()
    torch.testing.assert_close(weight.grad, said.logits.sum(dim=0))


def test_half_precision_is_close(monkeypatch):
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda device: True)
    teacher = made()
    images = torch.rand(2, 3, 64, 64)
    coarse = Teacher(copy.deepcopy(teacher.model), precision="fast")(images)
    assert coarse.logits.dtype == torch.bfloat16
    torch.testing.assert_close(coarse.logits.float(), teacher(images).logits, atol=0.05, rtol=0.05)
