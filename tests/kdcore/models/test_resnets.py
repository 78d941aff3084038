import torch
import torchvision.models as tv
from safetensors.torch import save_file

from kdcore import models
from kdcore.models import resnets
from kdcore.recipe import FineTune, ModelRecipe, TeacherRecipe

TWO = ("cat", "dog")


def test_the_small_stem_keeps_the_middle_of_the_kernels():
    net = tv.resnet18()
    middle = net.conv1.weight[:, :, 2:5, 2:5].clone()
    changed = resnets.changed(net, small_stem=True)
    assert torch.equal(changed.conv1.weight, middle)
    image = torch.rand(1, 3, 32, 32)
    assert changed.layer4(changed.layer3(changed.layer2(changed.layer1(changed.conv1(image))))).shape[2:] == (4, 4)


def test_pretrained_weights_survive_the_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    torch.manual_seed(0)
    zoo_weights = {name: tensor.clone() for name, tensor in tv.resnet18().state_dict().items()}
    (tmp_path / "weights" / "torchvision").mkdir(parents=True)
    save_file(zoo_weights, tmp_path / "weights" / "torchvision" / "resnet18.safetensors")
    options = {"small_stem": True, "dropout": 0.3}
    spec = TeacherRecipe(model="torchvision/resnet18", weights="pretrained", options=options, finetune=FineTune())
    model = models.build(spec, TWO, 32)
    assert torch.equal(model.net.layer3[0].conv1.weight, zoo_weights["layer3.0.conv1.weight"])
    assert torch.equal(model.net.conv1.weight, zoo_weights["conv1.weight"][:, :, 2:5, 2:5])
    assert isinstance(model.net.fc[0], torch.nn.Dropout)
    assert model.net.fc[1].out_features == 2


def test_a_changed_resnet_comes_back_from_its_file(tmp_path):
    model = models.build(
        ModelRecipe(model="torchvision/resnet18", options={"dropout": 0.3, "small_stem": True}), TWO, 32
    )
    models.save(model, tmp_path / "it.safetensors")
    again = models.load(str(tmp_path / "it.safetensors"))
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(again.eval()(image).logits, model.eval()(image).logits)
