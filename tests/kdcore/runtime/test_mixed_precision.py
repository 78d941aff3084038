import torch
import torch.nn.functional as F

from kdcore.runtime import mixed_precision

CPU = torch.device("cpu")


def test_exact_never_leaves_float32():
    with mixed_precision.autocast(CPU, "exact"):
        assert F.linear(torch.ones(2, 4), torch.ones(3, 4)).dtype == torch.float32


def test_fast_multiplies_in_bfloat16_where_that_is_quick(monkeypatch):
    for quick, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(mixed_precision, "_bfloat16_is_faster_on_cpu", lambda quick=quick: quick)
        with mixed_precision.autocast(CPU, "fast"):
            assert F.linear(torch.ones(2, 4), torch.ones(3, 4)).dtype == dtype


def test_whether_bfloat16_is_quick_follows_from_the_seconds(monkeypatch):
    for exact, coarse, quick in ((2.0, 1.0, True), (1.0, 2.0, False), (1.1, 1.0, False)):
        seconds = iter([exact, coarse])
        monkeypatch.setattr(mixed_precision, "_least_seconds", lambda act, seconds=seconds: next(seconds))
        assert mixed_precision._bfloat16_is_faster_on_cpu.__wrapped__() is quick


def test_settling_keeps_float32_products():
    mixed_precision.settle()
    generator = torch.Generator().manual_seed(1)
    left, right = torch.randn(300, 200, generator=generator), torch.randn(200, 100, generator=generator)
    wanted = left.double() @ right.double()
    assert (left @ right - wanted).abs().max() / wanted.abs().max() < 1e-5


def test_the_other_library_is_left_where_it_rounds(monkeypatch):
    before = torch.get_float32_matmul_precision()
    monkeypatch.setattr(mixed_precision, "_error", lambda left, right: 4e-3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert mixed_precision._quick_linears.__wrapped__() is False
    assert torch.get_float32_matmul_precision() == before
