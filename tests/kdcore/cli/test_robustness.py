"""`python -m kdcore robustness`: tables, transfers, lists of sets, exports, and refusals in words."""

import csv
import errno
import json
import math
import zipfile
from pathlib import Path

import pytest

from kdcore.cli import main, robustness_tables
from kdcore.data.datasets.cues import Cues
from kdcore.files import atomic
from kdcore.inspection.robustness import Network, families, networks
from kdcore.store import Store

THREE = ["cues-teacher", "cues-student", "cues-twin"]
CHEAP = ["--sets", "patch_scramble@4", "--images", "50"]  # fewer have no transfer


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Cues, "counts", {"train": 100, "test": 50, "cue_conflict": 20})


def error(capsys) -> str:
    return capsys.readouterr().err.strip()


def test_networks_that_belong_together_have_a_table_a_transfer_and_a_csv(tmp_path, capsys):
    file = tmp_path / "measures.csv"
    assert main(["robustness", *THREE, *CHEAP, "--csv", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "50 test images; 95 % intervals in brackets" in shown
    for word in ("teacher", "student", "twin", "student - twin", "patch_scramble@4", "Accuracy", "Consistency"):
        assert word in shown
    assert "comparisons" in shown  # the line about what passes on
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["condition"] for row in rows} == {"clean", "patch_scramble@4"}
    accuracy = next(row for row in rows if row["condition"] == "clean" and row["measure"] == "accuracy")
    assert float(accuracy["teacher_low"]) <= float(accuracy["teacher"]) <= float(accuracy["teacher_high"])
    assert main(["robustness", *THREE, *CHEAP, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    found = next(row for row in plain if row["condition"] == "clean" and row["measure"] == "accuracy")
    assert found["values"]["cues-teacher"]["value"] == pytest.approx(float(accuracy["teacher"]))
    assert found["kind"] in ("passes on", "moves away", "not shown", "no gap", "refused")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cues-teachr"], "There are no weights 'cues-teachr'. Did you mean 'cues-teacher'"),
        (
            ["cues-twin", "--sets", "patch_scrambel"],
            "Unknown test set 'patch_scrambel'. Did you mean 'patch_scramble'?",
        ),
        (
            ["cues-twin", "--sets", "patch_scramble@many"],
            "The strength of patch_scramble is 'many'; a number was expected",
        ),
        (["cues-twin", "--sets", "quick", "low_pass"], "--sets has 'quick' among names of sets"),
        (["cues-twin", "--images", "0"], "The number of images is 0; 1 to 50 were expected."),
        (["cues-twin", "cifar10-twin"], "the one is for cues, the other for cifar10"),
        (["cifar10-twin"], "The test images of cifar10 are not in"),
        (["cues-twin", "--sets", "patch_scramble@400", "--images", "20"], "The grid of scrambled patches"),
    ],
)
def test_refusals_are_one_line_and_say_what_was_expected(words, message, capsys):
    assert main(["robustness", *words]) == 1
    found = error(capsys)
    assert message in found
    assert found.startswith("error: ")
    assert "Traceback" not in found


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path, capsys):
    assert main(["robustness", "cues-twin", *CHEAP, "--csv", str(tmp_path / "none" / "x.csv")]) == 1
    assert "There is no folder" in error(capsys)
    assert not (tmp_path / "data").exists()


def test_an_export_that_cannot_be_written_names_the_file_that_was_wanted(tmp_path, capsys, monkeypatch):
    def read_only(folder, **_):
        raise OSError(errno.ENOENT, "No such file or directory", str(folder / ".images.zip.1.half"))

    monkeypatch.setattr(Path, "touch", lambda path: read_only(path.parent))
    monkeypatch.setattr(atomic, "_temporary", lambda path: path.with_name(f".{path.name}.1.half"))
    assert (
        main(["robustness", "export", "clean", str(tmp_path / "images.zip"), "--network", "cues-twin", "--images", "2"])
        == 1
    )
    assert error(capsys).endswith(f"{tmp_path / 'images.zip'} cannot be written: No such file or directory.")


def test_sets_are_listed_with_their_strengths_and_one_has_its_card(capsys):
    assert main(["robustness", "sets"]) == 0
    assert "patch_scramble" in capsys.readouterr().out
    assert main(["robustness", "sets", "patch_scramble"]) == 0
    assert "Strength: grid (tiles a side); 2, 4, 8, usually 4" in capsys.readouterr().out
    assert main(["robustness", "sets", "--json"]) == 0
    names = [each["name"] for each in json.loads(capsys.readouterr().out)]
    assert "low_pass" in names
    assert main(["robustness", "sets", "patch_scrambel"]) == 1
    assert "Did you mean 'patch_scramble'?" in error(capsys)


def test_images_are_exported_with_a_manifest(tmp_path, capsys):
    file = tmp_path / "images.zip"
    assert (
        main(["robustness", "export", "patch_scramble@2", str(file), "--network", "cues-student", "--images", "10"])
        == 0
    )
    assert f"written: {file}" in capsys.readouterr().out
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert "manifest.json" in names
    assert len(names) == 11


def test_similarity_of_layers_is_printed(capsys):
    assert main(["robustness", "similarity", "cues-student", "cues-student", "--images", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 20
    assert [found["values"][i][i] for i in range(len(found["rows"]))] == pytest.approx([1.0] * len(found["rows"]))
    assert main(["robustness", "similarity", "cues-student", "cues-twin", "--images", "20"]) == 0
    assert "Linear CKA on 20 images; rows: cues-student, columns: cues-twin" in capsys.readouterr().out


def test_bundled_networks_and_families_can_be_chosen(tmp_path):
    store = Store(tmp_path / "runs")
    known = networks(store)
    assert {"cues-teacher", "cifar10-twin"} <= {each.reference for each in known}
    assert all(isinstance(each, Network) and each.image_size for each in known)
    by_group = {each.reference: each.group for each in known}
    assert by_group["cues-teacher"] == by_group["cues-twin"] != by_group["cifar10-twin"]
    cues = next(each for each in families(store) if each.roles["teacher"] == "cues-teacher")
    assert cues.roles == dict(zip(("teacher", "student", "twin"), THREE, strict=True))


@pytest.mark.parametrize(
    "unit, values, expected",
    [
        ("share", (0.137, 0.102, 0.171), "13.7 [10.2, 17.1]"),
        ("share", (-0.08, -math.inf, math.inf), "-8.0"),
        ("share", (-0.0001, -0.2, 0.1), "0.0 [-20.0, 10.0]"),
        ("nats", (0.594, 0.5, 0.7), "0.59 [0.50, 0.70]"),
        ("share", (math.nan, math.nan, math.nan), "-"),
        ("share", None, ""),
    ],
)
def test_a_value_has_an_interval_where_there_is_one(unit, values, expected):
    assert robustness_tables.text(unit, values) == expected
