"""A folder in the hub's layout: timm opens it with the same logits, kdcore reads it back, and its card claims what was measured."""

import json

import pytest
import timm
import torch
import yaml

from kdcore import models
from kdcore.errors import UserError
from kdcore.export.networks import files, hub
from kdcore.export.networks.choosing import Chosen
from kdcore.paths import ASSETS
from kdcore.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", recorded=ASSETS / "runs")


def written(chosen, tmp_path, store, licence="mit"):
    said = files.write_hub(chosen, tmp_path / "out", store, licence=licence)
    return tmp_path / "out", said


@pytest.mark.parametrize(("name", "side", "options"), [("test_vit", 64, {"depth": 1}), ("test_resnet", 48, {}), ("test_vit.r160_in1k", 160, {})])  # fmt: skip
def test_timm_opens_it_with_the_same_logits(name, side, options, make_network, tmp_path, store):
    network = make_network(name, side, **options)
    folder, said = written(Chosen("mine", "mine", network, None, "not known"), tmp_path, store)
    assert said[1].startswith("timm opens it; largest difference of a logit 0.0e+00")
    opened = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.rand(2, 3, side, side)
    config = timm.data.resolve_model_data_config(opened)
    assert (config["input_size"], tuple(config["mean"])) == ((3, side, side), (0.3, 0.4, 0.5))
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(opened((images - mean) / std), network(images).logits)
    assert json.loads((folder / "config.json").read_text())["label_names"] == ["owl", "wolf", "hare"]


@pytest.mark.parametrize("name", ["three_stage_cnn_16", "torchvision/squeezenet1_1", "test_resnet"])
def test_kdcore_reads_every_folder_back(name, make_network, tmp_path, store):
    network = make_network(name, 64)
    folder, _ = written(Chosen("mine", "mine", network, None, "not known"), tmp_path, store)
    images = torch.rand(2, 3, 64, 64)
    for file in (folder / "model.safetensors", tmp_path / "again.safetensors"):
        if not file.exists():
            models.import_weights([folder], None, None, None, out=file)
        back = models.load(str(file)).eval()
        assert back.classes == network.classes
        torch.testing.assert_close(back(images).logits, network(images).logits, rtol=0, atol=0)


def test_a_network_that_timm_lacks_says_how_to_open_it(make_network, tmp_path, store):
    folder, said = written(
        Chosen("mine", "mine", make_network("three_stage_cnn_16"), None, "not known"), tmp_path, store
    )
    assert "timm does not have this network" in said[1]
    readme = (folder / "README.md").read_text()
    assert 'kd.load("FOLDER/model.safetensors")' in readme
    assert "local-dir" not in readme


def test_the_card_has_licence_data_and_results_with_intervals(student, tmp_path, store):
    folder, _ = written(student, tmp_path, store, licence="cc-by-4.0")
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert (front["license"], front["library_name"], front["datasets"]) == ("cc-by-4.0", "kdcore", ["cues"])
    (metric,) = front["model-index"][0]["results"][0]["metrics"]
    assert f"| cues-student | {100 * metric['value']:.2f} % |" in text
    assert "95 % interval" in text


def test_without_a_licence_the_card_says_so(student, tmp_path, store):
    folder, _ = written(student, tmp_path, store, licence="unknown")
    text = (folder / "README.md").read_text()
    assert yaml.safe_load(text.split("---")[1])["license"] == "unknown"
    assert "Not named." in text


def test_names_from_outside_are_text_in_the_card(make_network, tmp_path, store):
    network = make_network("three_stage_cnn_16", 32, ("<b>owl</b>", "[wolf](http://x)"))
    folder, _ = written(Chosen("mine", "mine", network, None, "not known"), tmp_path, store)
    assert r"\<b\>owl\</b\>, \[wolf\](http://x)" in (folder / "README.md").read_text()


def test_a_folder_that_timm_would_read_otherwise_is_not_written(make_network, tmp_path, store, monkeypatch):
    monkeypatch.setattr(
        hub, "_timm_config", lambda network, file: file.write_text('{"architecture": "test_resnet", "num_classes": 2}')
    )
    with pytest.raises(UserError, match="timm does not open the exported test_vit: "):
        written(Chosen("mine", "mine", make_network("test_vit", 64), None, "not known"), tmp_path, store)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_refused_before_any_work(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="out is not empty. Give another name"):
        files.check_out(tmp_path / "out", "hub")
