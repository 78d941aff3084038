import timm
import torch

from kdcore.recipe import OptimizerRecipe
from kdcore.store.run_files import checkpoint
from kdcore.training import optim


def test_norms_biases_and_tokens_are_not_decayed():
    model = timm.create_model("test_vit")
    optimizer = optim.build(model, OptimizerRecipe(weight_decay=0.1))
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, plain = ({names[id(p)] for p in group["params"]} for group in optimizer.param_groups)
    assert "blocks.0.attn.qkv.weight" in decayed
    assert {"pos_embed", "cls_token", "norm.weight", "head.bias"} <= plain
    assert decayed | plain == set(names.values())
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


def test_each_name_is_torch_s_own():
    layer = torch.nn.Linear(2, 2)
    kinds = {name: type(optim.build(layer, OptimizerRecipe(name=name))).__name__ for name in ("adamw", "adam", "sgd")}
    assert kinds == {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}


def test_the_learning_rate_reaches_every_group():
    optimizer = optim.build(torch.nn.Linear(2, 2), OptimizerRecipe(lr=0.1), lr=0.3)
    assert {group["lr"] for group in optimizer.param_groups} == {0.3}
    optim.set_learning_rate(optimizer, 0.05)
    assert {group["lr"] for group in optimizer.param_groups} == {0.05}


def test_an_optimizer_continues_exactly(tmp_path):
    def one() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def step(layer: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        layer(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    (first, first_optimizer), (second, second_optimizer) = one(), one()
    step(first, first_optimizer)
    state = {"layer": first.state_dict(), "optimizer": optim.state(first_optimizer)}
    checkpoint.save(state, tmp_path / "a.safetensors")
    back = checkpoint.load(tmp_path / "a.safetensors")
    second.load_state_dict(back["layer"])
    optim.load_state(second_optimizer, back["optimizer"])
    step(first, first_optimizer)
    step(second, second_optimizer)
    assert torch.equal(first.weight, second.weight)


def test_an_optimizer_s_state_lies_in_memory_as_its_parameters_do(tmp_path):
    def one() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)

    def step(layer: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        layer(torch.arange(75.0).reshape(1, 3, 5, 5)).square().mean().backward()
        optimizer.step()

    (first, first_optimizer), (second, second_optimizer) = one(), one()
    step(first, first_optimizer)
    checkpoint.save({"optimizer": optim.state(first_optimizer)}, tmp_path / "a.safetensors")
    second.load_state_dict(first.state_dict())
    optim.load_state(second_optimizer, checkpoint.load(tmp_path / "a.safetensors")["optimizer"])
    step(first, first_optimizer)
    step(second, second_optimizer)
    assert torch.equal(first.weight, second.weight)
