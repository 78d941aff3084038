"""`python -m kdcore check-teacher`, with its older name `examine`."""

import json

import pytest

from kdcore.cli import main


@pytest.fixture
def recipe_file(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    (tmp_path / "tiny.yaml").write_text(tiny().to_yaml())
    return str(tmp_path / "tiny.yaml")


def test_a_teacher_that_would_stop_a_run_ends_with_1_and_the_remedy(recipe_file, capsys):
    assert main(["examine", recipe_file, "--device", "cpu"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "stop accuracy" in printed
    assert "(teacher.finetune: {epochs: 3})" in printed


def test_json_has_verdict_findings_and_figures(recipe_file, capsys):
    assert main(["examine", recipe_file, "--device", "cpu", "--json", "--set", "teacher={weights: cues-teacher}",
                 "--set", "data.image_size=64"]) == 0  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"] in ("ok", "warn")
    assert {"check", "verdict", "finding", "remedies"} <= printed["findings"][0].keys()
    assert printed["figures"]["top1"] > 0.8


def test_a_recipe_without_a_teacher_has_nothing_to_check(recipe_file, capsys):
    assert main(["examine", recipe_file, "--set", "teacher=null", "--set", "terms=[{method: ce}]"]) == 0
    assert "no teacher" in capsys.readouterr().out
