import os
from pathlib import Path

import pytest
from PIL import Image

from kdcore import paths
from kdcore import recipe as recipes
from kdcore.data import datasets
from kdcore.data.folders.checking import decoded
from kdcore.errors import NotAllowed, UserError
from kdcore.models import sources
from kdcore.recipe import DataRecipe

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


@pytest.fixture
def restricted(monkeypatch, tmp_path):
    """The runs, data and a private folder of a server that others reach."""
    for name in ("runs", "data", "private"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("KD_ALLOW", raising=False)
    monkeypatch.setattr(paths, "_restricted", lambda: True)
    return tmp_path


def test_every_file_may_be_read_where_nobody_else_reaches_the_app():
    assert paths.allowed(Path("/etc/passwd")) == Path("/etc/passwd")


@pytest.mark.parametrize("inside", ["data/birds", "runs/one/recipe.yaml", "data/../data/birds"])
def test_a_restricted_server_reads_its_own_folders(restricted, inside):
    assert paths.allowed(restricted / inside) == restricted / inside


@pytest.mark.parametrize(
    "outside", ["private", "private/birds", "data/../private/birds", "data-of-others", "link/birds", "loop", "data/\0"]
)
def test_a_restricted_server_reads_nothing_else(restricted, outside):
    (restricted / "link").symlink_to(restricted / "private")
    (restricted / "data" / "link").symlink_to(restricted / "private")
    (restricted / "loop").symlink_to(restricted / "loop")
    with pytest.raises(NotAllowed, match="outside the folders that this server may read.*KD_ALLOW=/that/folder"):
        paths.allowed(restricted / outside)
    with pytest.raises(NotAllowed, match="outside the folders"):
        paths.allowed(restricted / "data" / "link" / "birds")


def test_whoever_starts_the_server_may_allow_more(restricted, monkeypatch):
    monkeypatch.setenv("KD_ALLOW", f"{restricted / 'elsewhere'}{os.pathsep}{restricted / 'private'}")
    assert paths.is_allowed(restricted / "private" / "birds")
    assert not paths.is_allowed(restricted / "other")


def test_a_restricted_server_reads_no_weight_file_elsewhere(restricted):
    own = restricted / "data" / "weights" / "teacher.safetensors"
    assert paths.weight_file("teacher.safetensors") == own
    for outside in (restricted / "private" / "teacher.safetensors", "../../private/teacher.safetensors"):
        with pytest.raises(NotAllowed, match="outside the folders"):
            paths.weight_file(str(outside))


def test_a_restricted_server_reads_no_recipe_elsewhere_and_tells_no_folder_from_a_name(restricted):
    (restricted / "private" / "recipe.yaml").write_text("student: {model: tiny}\nterms: [{method: ce}]\n")
    with pytest.raises(NotAllowed, match="outside the folders"):
        recipes.load(restricted / "private" / "recipe.yaml")
    with pytest.raises(UserError, match="There are no weights"):
        sources.find(str(restricted / "private"))
    assert recipes.load(paths.ASSETS / "recipes" / "quick.yaml").name == "quick"


def test_a_restricted_server_reads_no_folder_elsewhere(restricted):
    for name in ("private", "data/birds"):
        for label in ("cat", "dog"):
            (restricted / name / label).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(restricted / name / label / "one.png")
    data = DataRecipe(name="folder", path=str(restricted / "data" / "birds"))
    assert datasets.of(data).class_count() == 2
    (restricted / "data" / "birds" / "cow").symlink_to(restricted / "private" / "cat")
    for refused in (data, DataRecipe(name="folder", path=str(restricted / "private"))):
        with pytest.raises(NotAllowed, match="outside the folders"):
            datasets.of(refused).class_count()


def test_a_link_to_an_image_elsewhere_is_not_followed(restricted):
    Image.new("RGB", (8, 8)).save(restricted / "private" / "one.png")
    (restricted / "data" / "one.png").symlink_to(restricted / "private" / "one.png")
    with pytest.raises(NotAllowed, match="outside the folders"):
        decoded(restricted / "data" / "one.png", 8)


def test_a_path_in_the_folders_of_data_or_runs_moves_with_them(tmp_path, monkeypatch):
    for name in ("data", "runs", "else"):
        (tmp_path / "one" / name).mkdir(parents=True)
    monkeypatch.setenv("KD_DATA", str(tmp_path / "one" / "data"))
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "one" / "runs"))
    assert paths.portable(str(tmp_path / "one" / "data" / "pets")) == "$KD_DATA/pets"
    assert paths.portable(str(tmp_path / "one" / "runs" / "r" / "a.safetensors")) == "$KD_RUNS/r/a.safetensors"
    assert paths.portable(str(tmp_path / "one" / "else")) == str(tmp_path / "one" / "else")
    assert paths.portable("by-its-name.safetensors") == "by-its-name.safetensors"
    monkeypatch.chdir(tmp_path / "one")
    assert paths.portable("else") == str(tmp_path / "one" / "else")
    monkeypatch.setenv("KD_DATA", str(tmp_path / "two" / "data"))
    assert paths.expanded("$KD_DATA/pets") == str(tmp_path / "two" / "data" / "pets")
    assert paths.expanded("$HOME/pets") == "$HOME/pets"
