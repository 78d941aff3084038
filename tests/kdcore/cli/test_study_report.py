"""`study` with test sets: evaluated after its runs, a report, and what is refused."""

import shutil

import pytest

from kdcore import recipe as recipes
from kdcore.cli import main
from kdcore.data.datasets.cues import Cues
from kdcore.recipe import yaml_text
from kdcore.store import Store, Studies

SETS = ["patch_scramble@4"]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Cues, "counts", {"train": 60, "test": 60, "cue_conflict": 20})


@pytest.fixture
def study_file(tmp_path, tiny):
    """Writes a study of independent students and KD, three seeds each."""

    def write(**more: object) -> str:
        recipe = tiny(
            data={"name": "cues", "image_size": 64, "train_images": 40, "test_images": 20, "validation": 0.25},
            teacher={"weights": "cues-student"}, twin=False, epochs=1, probes={"images": 0},
            terms=[{"method": "ce"}, {"method": "kd"}],
        )  # fmt: skip
        variants = {"independent": {"teacher": None, "terms": [{"method": "ce"}]}, "kd": {}}
        plain = {"name": "small", "recipe": recipe.model_dump(mode="json", exclude_defaults=True), "variants": variants}
        path = tmp_path / "small.yaml"
        path.write_text(yaml_text.written({**plain, "seeds": [0, 1, 2], **more}))
        return str(path)

    return write


def test_a_study_with_test_sets_ends_with_a_report_that_can_be_written_again(tmp_path, study_file, capsys):
    path = study_file(test_sets={"sets": SETS, "images": 60})
    assert main(["study", path, "--device", "cpu"]) == 0
    known = Studies(Store(tmp_path / "runs"))
    (study_id,) = known.ids()
    report = known.report(study_id)
    assert f"written: {report}; beside it report.md, measures.csv, claims.csv and pictures" in capsys.readouterr().out
    page = report.read_text()
    assert "What passes on: small" in page
    assert "2 test sets (clean images included) of 60 images each" in page
    assert {path.name for path in report.parent.iterdir()} >= {"measures.csv", "claims.csv", "pictures"}

    assert main(["study", "report", study_id, "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "report.html").read_text() == page

    assert main(["study", "evaluate", study_id, "--sets", *SETS, "low_pass@6", "--images", "60"]) == 0
    assert "Low-pass (6)" in report.read_text()
    capsys.readouterr()

    assert main(["study", "report", study_id, "--sets", *SETS, "fog@3"]) == 0
    assert (
        f"1 of 3 test sets are missing. Compute them: python -m kdcore study evaluate {study_id}"
        in capsys.readouterr().out
    )

    for folder in (tmp_path / "runs").glob("*/robustness"):
        shutil.rmtree(folder)
    assert main(["study", "report", study_id]) == 1
    assert capsys.readouterr().err == (
        f"error: The networks of this study are not evaluated yet: python -m kdcore study evaluate {study_id}\n"
    )

    assert main(["study", "delete", study_id]) == 0
    assert not report.parent.exists()


def test_an_unknown_test_set_is_refused_before_anything_runs(tmp_path, study_file, capsys):
    assert main(["study", study_file(test_sets={"sets": ["patch_scrambel@4"]}), "--device", "cpu"]) == 1
    assert "Unknown test set 'patch_scrambel'. Did you mean 'patch_scramble'?" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "studies").exists()


def test_a_wrong_key_among_test_sets_names_those_that_there_are():
    from kdcore.recipe import study as studies

    with pytest.raises(recipes.RecipeError, match=r"`test_sets.pictures` is not a known key. Known: sets, images."):
        studies.from_plain({"recipe": "quick", "test_sets": {"pictures": 100}})
