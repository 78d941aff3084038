from pathlib import Path

import pytest

from kdcore import paths

FOLDERS = [
    (paths.runs_folder, "KD_RUNS", paths.PROJECT / "runs"),
    (paths.data_folder, "KD_DATA", paths.PROJECT / "data"),
    (paths.test_data_folder, "KD_TEST_DATA", paths.PROJECT.parent / "shared" / "data"),
]


@pytest.mark.parametrize("folder, variable, default", FOLDERS)
def test_a_folder_is_in_its_usual_place_unless_the_environment_moves_it(
    folder, variable, default, monkeypatch, tmp_path
):
    monkeypatch.delenv(variable, raising=False)
    assert folder() == default.resolve()
    monkeypatch.setenv(variable, "")
    assert folder() == default.resolve()
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert folder() == (tmp_path / "elsewhere").resolve()


@pytest.mark.parametrize("folder, variable, default", FOLDERS)
def test_a_folder_is_absolute_and_a_tilde_is_home(folder, variable, default, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, "~/kd")
    assert folder() == tmp_path.resolve() / "kd"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "near")
    assert folder() == tmp_path.resolve() / "near"


def test_the_project_is_where_its_recipes_are():
    assert (paths.PROJECT / "kdcore").is_dir()
    assert Path(paths.ASSETS / "recipes").is_dir()
