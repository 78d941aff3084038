"""A network whose weights or outputs are not numbers: one sentence wherever it is shown or measured."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kdcore import explain, models
from kdcore.cli.main import main
from kdcore.errors import NotFinite
from kdcore.inspection import Inspector, soft_labels
from kdcore.models import Tapped
from kdcore.store import Store

SENTENCE = "outputs are infinite or not a number for"


def broken(name: str, folder: Path, how: str) -> Path:
    """A bundled network with a weight that is NaN, or with such large ones that its outputs overflow."""
    network = models.load(name)
    matrices = [parameter for parameter in network.net.parameters() if parameter.dim() > 1]
    with torch.no_grad():
        if how == "nan":
            matrices[0].view(-1)[0] = torch.nan
        else:
            for matrix in matrices[-3:]:
                matrix.mul_(1e30)
    path = folder / f"{how}.safetensors"
    models.save(network, path)
    return path


@pytest.fixture(params=["cues-student", "cues-teacher"])
def overflowing(request, tmp_path) -> Path:
    return broken(request.param, tmp_path, "large")


@pytest.mark.parametrize("command", ["evaluate", "export"])
@pytest.mark.parametrize(("how", "words"), [("nan", "are not all numbers: "), ("large", SENTENCE)])
def test_nothing_is_measured_or_written(tmp_path, monkeypatch, capsys, command, how, words):
    monkeypatch.chdir(tmp_path)
    path, out = broken("cues-student", tmp_path, how), tmp_path / "out.safetensors"
    more = ["--set", "test_images=20"] if command == "evaluate" else [str(out)]
    assert main([command, str(path), *more]) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert "accuracy" not in told.out + told.err
    assert not out.exists()


def test_no_map_is_drawn_and_no_prediction_listed(overflowing, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    inspector = Inspector(Store(tmp_path / "runs"))
    network = models.load(str(overflowing))
    for map_name in explain.maps_for(network):
        for look in (inspector.inspect, inspector.atlas, inspector.faithfulness):
            with pytest.raises(NotFinite, match=SENTENCE):
                look(pixels, str(overflowing), map_name=map_name)
    with pytest.raises(NotFinite, match=SENTENCE):
        inspector.affinity(pixels, str(overflowing))


def test_a_map_of_activations_that_overflow_for_one_image_alone_leaves_the_others():
    found = explain.maps.get("eigen_cam").eigen_cam(
        torch.stack([torch.rand(3, 4, 4), torch.full((3, 4, 4), torch.inf)])
    )
    assert torch.isfinite(found[0]).all()
    assert torch.isnan(found[1]).all()


def test_the_figures_of_a_method_say_so(overflowing, tmp_path, monkeypatch):
    def load(reference: str, **_: object) -> Tapped:
        return real(str(overflowing) if reference == "cues-student" else reference)

    real = models.load
    monkeypatch.setattr(models, "load", load)
    with pytest.raises(NotFinite, match=SENTENCE):
        soft_labels.run({"teacher": "cues-teacher", "student": "cues-student"}, Store(tmp_path / "runs"))


def test_a_teacher_with_such_outputs_is_refused(overflowing, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    sets = [f"teacher.weights={overflowing}", "data.train_images=100", "data.test_images=20"]
    assert main(["check-teacher", "quick", *(word for each in sets for word in ("--set", each))]) == 1
    assert "The teacher's outputs are infinite or not a number for" in capsys.readouterr().err
