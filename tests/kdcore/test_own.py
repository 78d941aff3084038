"""docs/own.md as it stands: own images, weights and network to an ONNX INT8 file that runs without this project."""

import argparse
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image

import kdcore as kd
from kdcore import inspection, plugins
from kdcore.cli import main, options
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from tests.kdcore.plugins.conftest import EXAMPLES

DOCUMENT = (PROJECT / "docs" / "own.md").read_text(encoding="utf-8")
RECIPE, SCRIPT = (re.search(rf"```{kind}\n(.*?)```", DOCUMENT, re.DOTALL).group(1) for kind in ("yaml", "python"))
CLASSIFY = re.search(r"```python\n(.*?)```", (PROJECT / "docs" / "deploy.md").read_text(), re.DOTALL).group(1)
CLASSES = ("blue", "green", "red")
SHORT = ["--set", "epochs=1", "--set", "lr.warmup_epochs=0", "--device", "cpu"]


def trained(photos) -> dict:
    """A checkpoint as timm's training script writes it, of a network that tells the three colours apart."""
    pixels = [np.asarray(Image.open(file)) for name in CLASSES for file in sorted((photos / name).iterdir())]
    images = F.interpolate(torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2) / 255, (64, 64))
    targets = torch.arange(3).repeat_interleave(50)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3)
    mean, std = (torch.tensor(network.default_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for places in torch.randperm(150).split(30) * 3:
        loss = F.cross_entropy(network((images[places] - mean) / std), targets[places])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    arguments = argparse.Namespace(model="test_resnet", num_classes=3, img_size=64)
    return {"arch": "test_resnet", "epoch": 3, "state_dict": network.state_dict(), "args": arguments}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a visitor's files: photos/ of three classes, a checkpoint of timm, my_net.py, my.yaml, classify.py."""
    random = np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(50):
            pixels = random.integers(0, 100, (20, 24, 3), dtype=np.uint8)
            pixels[..., 2 - place] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    torch.save(trained(tmp_path / "photos"), tmp_path / "model_best.pth.tar")
    (tmp_path / "my_net.py").write_text(EXAMPLES["two_stages.py"])
    (tmp_path / "my.yaml").write_text(RECIPE)
    (tmp_path / "classify.py").write_text(CLASSIFY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(plugins.VARIABLE, "")
    return tmp_path


def classified(file: str, image: str) -> str:
    """The class that classify.py prints, in a process that cannot import this project."""
    check = "import runpy, sys, importlib.util as u; assert u.find_spec('kdcore') is None; sys.argv.pop(0); runpy.run_path(sys.argv[0])"
    command = [sys.executable, "-I", "-c", check, "classify.py", file, image]
    return subprocess.check_output(command, text=True).strip()


def run_id(folder) -> str:
    (found,) = [each.parent.name for each in (folder / "runs").glob("*/events.jsonl")]
    return found


def test_the_commands(own, capfd):
    commands = re.findall(r"^python -m kdcore (.*?)(?:  +#.*)?$", DOCUMENT, re.MULTILINE)
    assert [each.split()[0] for each in commands] == ["data", "plugins", "import-weights", "distill", "export"]
    for command in commands:
        words = [run_id(own) if word == "ID" else word for word in command.split()]
        short = SHORT if words[0] == "distill" else []
        assert main([*words, *short]) == 0
    assert "student-int8.onnx: 0.0" in capfd.readouterr().out
    assert classified("student-int8.onnx", "photos/red/0.png") == "red"


def test_the_script(own, capfd):
    assert SCRIPT.count("\n") < 15
    exec(SCRIPT.replace('"quick",', '"quick", epochs=1, lr={"warmup_epochs": 0}, device="cpu",'), {})
    run = kd.run(run_id(own))
    assert (run.recipe.student.model, run.recipe.data.train_images) == ("my_net", None)
    assert "INT8 - float32: " in capfd.readouterr().out
    assert classified("student-int8.onnx", "photos/red/0.png") == "red"


def test_a_published_folder_names_no_folder_of_this_machine_and_the_file_that_opens_it(own, capfd):
    exec(
        SCRIPT.partition("print(kd.compare")[0].replace(
            '"quick",', '"quick", epochs=1, lr={"warmup_epochs": 0}, show=False,'
        ),
        {},
    )
    run = kd.run(run_id(own))
    run.export("hub", "hub", licence="mit")
    card = (own / "hub" / "README.md").read_text()
    assert "distilled from the teacher teacher.safetensors." in card
    assert "test images of photos:" in card
    assert 'kd.use_plugins("my_net.py")' in card
    assert "datasets:" not in card.split("---")[1]  # those of the hub
    run.export("student.onnx")
    for file in (*(own / "hub").glob("*.*"), own / "student.json"):
        assert str(own) not in file.read_text(errors="replace"), file.name
    os.environ[plugins.VARIABLE] = ""
    with pytest.raises(
        UserError, match=r"not loaded: the network 'my_net'. To load them, start with --plugin .*/my_net.py"
    ):
        run.export("again.onnx")
    (left,) = inspection.left_out(options.store())  # of the pages on networks
    assert left.run_id == run.id
    assert "not loaded: the network 'my_net'. To load them, start with" in left.why


def test_weights_without_classes_and_formats_that_there_are_not_are_refused(own):
    with pytest.raises(UserError, match="class"):
        kd.import_weights("model_best.pth.tar", "teacher.safetensors")
    with pytest.raises(UserError, match="teacher.pth should end in .safetensors"):
        kd.import_weights("model_best.pth.tar", "teacher.pth", classes=CLASSES)
    run = kd.Run("none", options.store())
    with pytest.raises(UserError, match="There is no format 'tflite'. Formats: safetensors, onnx, int8, hub."):
        run.export("student.onnx", "tflite")
