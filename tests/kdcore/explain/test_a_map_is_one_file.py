"""A map is added with the one file and the one test that CONTRIBUTING shows; nothing else is edited."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from kdcore import cli, inspection
from kdcore.explain import maps
from kdcore.paths import PROJECT
from kdcore.store import Store
from pages.parts import engine, page_table
from tools import map_document

from .conftest import build
from .maps import test_every_map as every_map

MAP, TEST = re.findall(
    r"```python\n(.*?)```",
    (PROJECT / "CONTRIBUTING.md")
    .read_text(encoding="utf-8")
    .partition("\n## Add a heatmap\n")[2]
    .partition("\n## ")[0],
    re.DOTALL,
)


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file from CONTRIBUTING is among the maps."""
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "xgrad_cam.py").write_text(MAP, encoding="utf-8")
    monkeypatch.setattr(maps, "__path__", [*maps.__path__, str(folder)])
    yield
    sys.modules.pop("kdcore.explain.maps.xgrad_cam", None)


def test_its_own_test_passes():
    names: dict[str, object] = {}
    exec(compile(TEST, "test_xgrad_cam.py", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for each in tests:
        each()


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_what_holds_for_every_map_holds_for_it(kind):
    every_map.test_a_distribution_over_the_models_own_grid(build, kind, "xgrad_cam")
    every_map.test_the_model_is_left_exactly_as_it_was("resnet", "xgrad_cam", True)


def test_it_is_in_the_list_of_cards_in_its_family():
    names = list(inspection.map_cards())
    assert names[names.index("eigen_cam") + 1] == "xgrad_cam"
    with pytest.raises(ValueError, match="Unknown map 'xgradcam'. Did you mean 'xgrad_cam'\\?"):
        inspection.map_card("xgradcam")


def test_the_command_line_draws_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    photo = tmp_path / "photo.png"
    Image.effect_noise((64, 64), 90).convert("RGB").save(photo)
    command = [
        "explain",
        str(photo),
        "--model",
        "cues-student",
        "--map",
        "xgrad_cam",
        "--npz",
        str(tmp_path / "maps.npz"),
    ]
    assert cli.main(command) == 0
    assert "(map: xgrad_cam)" in capsys.readouterr().out
    with np.load(tmp_path / "maps.npz") as arrays:
        assert arrays["cues-student"].sum() == pytest.approx(1, abs=1e-3)
    assert cli.main([*command[:5], "xgradcam"]) == 1
    assert "Did you mean 'xgrad_cam'" in capsys.readouterr().err


def test_the_attention_page_offers_and_shows_it(tmp_path, monkeypatch):
    fake = SimpleNamespace(store=Store(tmp_path / "runs"), active=lambda: ())
    monkeypatch.setattr(engine.process, "process_runner", lambda: fake)
    page = AppTest.from_file(str(page_table.PAGES / "parts" / "shell.py"), default_timeout=60)
    page.switch_page(page_table.ATTENTION)
    page.query_params["method"] = "XGrad-CAM"
    page.query_params["deeper"] = "Which maps to trust"
    page.run()
    assert not page.exception
    assert page.selectbox(key="method").value == "xgrad_cam"
    assert "- **XGrad-CAM**: Like Grad-CAM" in page.selectbox(key="method").help
    assert "XGrad-CAM was not measured yet: `python -m benchmarks.trust --write`" in page.caption[-1].value


def test_it_has_a_row_and_a_section_in_the_document():
    document = map_document.maps_part()
    assert "| XGrad-CAM | `xgrad_cam` | any | class, layer | 1.3 |" in document
    assert "### XGrad-CAM (`xgrad_cam`)" in document
