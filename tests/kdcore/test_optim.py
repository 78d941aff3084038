import timm
import torch

from kdcore import optim
from kdcore.recipe import OptimizerRecipe


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
