"""The package as it is installed elsewhere: its command, its assets, its folders."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The unpacked wheel."""
    build = pytest.importorskip("hatchling.build")
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PROJECT)
        name = build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_an_installed_package_finds_its_recipes_and_keeps_runs_in_the_current_folder(installed, tmp_path):
    code = (
        "from kdcore import paths\nfrom kdcore.recipe import library\n"
        "print(library.recipe('quick').name, paths.ASSETS.parent.name, paths.runs_folder())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(installed), "PATH": ""}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert ran.stdout.split() == ["quick", "kdcore", str(tmp_path.resolve() / "runs")], ran.stderr


def test_the_wheel_has_the_command_the_types_the_weights_and_nothing_of_the_app(installed):
    (points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "kdcore = kdcore.cli:main" in points.read_text()
    assert (installed / "kdcore" / "py.typed").is_file()
    assert {path.name for path in (PROJECT / "assets" / "models").iterdir()} == {
        path.name for path in (installed / "kdcore" / "assets" / "models").iterdir()
    }
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"kdcore"}


def test_the_tested_versions_are_allowed():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = (line.partition("#")[0].strip() for line in (PROJECT / "requirements.txt").read_text().splitlines())
    tested = {each.name: each for each in map(Requirement, filter(None, lines))}
    for needed in map(Requirement, project["dependencies"]):
        if needed.name != "numpy":  # comes with torch
            (pin,) = tested[needed.name].specifier
            assert needed.specifier.contains(pin.version), needed
