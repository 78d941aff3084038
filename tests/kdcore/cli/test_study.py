import csv
import io
import json

import pytest

from kdcore.cli import main, sweep
from kdcore.store import Store, Studies


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_THREADS", "1")


@pytest.fixture
def recipe_file(tmp_path, tiny):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny(epochs=1, probes={"images": 0}).to_yaml())
    return str(path)


def last_line(capsys) -> dict:
    return json.loads([line for line in capsys.readouterr().out.splitlines() if line.startswith("{")][-1])


def test_a_sweep_is_a_study_with_its_table_and_csv(recipe_file, capsys):
    assert main(["sweep", recipe_file, "--vary", "optimizer.lr=1e-3,2e-3", "--seeds", "0", "1", "--device", "cpu", "--name", "rates"]) == 0  # fmt: skip
    out = capsys.readouterr().out
    for words in (
        "finished, 4 of 4 runs finished",
        "lr 0.001: ",
        "lr 0.002: ",
        "no conclusion, only 20 test images (50 are needed)",
        "Mean of 2 seeds",
        "lr 0.001: runs with faults: ",
        "teacher at chance (seeds 0, 1)",
    ):
        assert words in " ".join(out.split())
    assert "…" not in out  # the table fits into 80 columns without hiding the end of a word
    assert main(["study", "list", "--json"]) == 0
    (study,) = json.loads(capsys.readouterr().out)
    assert (study["name"], study["status"], study["done"]) == ("rates", "finished", 4)
    assert main(["study", "csv", study["id"]]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["optimizer.lr"] for row in rows] == ["0.001", "0.001", "0.002", "0.002"]
    assert main(["study", "show", study["id"], "--json"]) == 0
    shown = last_line(capsys)
    mean = sum(float(row["student_top1"]) for row in rows[:2]) / 2
    assert shown["variants"][0]["student"]["top1"]["mean"] == pytest.approx(mean)
    assert shown["variants"][0]["seeds"] == 2
    assert 0 <= shown["variants"][0]["validation"] <= 1
    assert shown["faults"]["lr 0.001"]["teacher at chance"] == [0, 1]
    gap = [float(row["student_top1"]) for row in rows]
    assert main(["study", "show", study["id"], "--against", "lr 0.002"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    mean = 100 * (gap[0] + gap[1] - gap[2] - gap[3]) / 2
    assert (
        f"lr 0.001 - lr 0.002, students paired by seed: {'−' if round(mean, 1) < 0 else '+'}{abs(mean):.1f} percentage points"
        in printed
    )
    assert main(["study", "show", study["id"], "--against", "lr 1"]) == 1
    assert "has no variant 'lr 1'; it has lr 0.001, lr 0.002" in capsys.readouterr().err
    assert main(["study", "resume", study["id"]]) == 0  # nothing is left to do, so nothing is done
    assert len(here().ids()) == 4
    assert main(["study", "delete", study["id"]]) == 0
    assert main(["study", "show", study["id"]]) == 1
    assert "There is no study" in capsys.readouterr().err


def test_a_study_file_with_changed_settings_and_seeds(recipe_file, capsys, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        f"name: mine\nrecipe: {recipe_file}\nvariants: {{'as [it] is': {{}}, hot: {{terms.1.temperature: 8}}}}\n"
    )
    assert main(["study", str(file), "--seeds", "3", "--set", "data.test_images=30", "--json", "--device", "cpu"]) == 0
    shown = last_line(capsys)
    assert [variant["variant"] for variant in shown["variants"]] == ["as [it] is", "hot"]
    (state,) = Studies(here()).states()
    assert main(["study", "show", state.id]) == 0
    assert "as [it] is" in capsys.readouterr().out
    assert {place.point.seed for place in state.places} == {3}
    assert {place.point.recipe.data.test_images for place in state.places} == {30}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "temperatur"], "There is no study 'temperatur'. Did you mean 'temperature'?"),
        (["study", "lsit"], "There is no study 'lsit'. Did you mean `study list`?"),
        (["sweep", "quick", "--vary", "epochs"], "'epochs' is not KEY=VALUE,VALUE"),
        (
            ["sweep", "quick", "--vary", "epochs=[1"],
            "The list of values in 'epochs=[1' is not valid YAML: line 1: did not",
        ),
        (["sweep", "quick", "--vary", "epoch=1,2"], "Did you mean `epochs`?"),
        (["sweep", "quick", "--vary", "epochs=1..9"], "gives a range for 'epochs', which has no end of values"),
        (
            ["sweep", "quick", "--vary", "epochs=1..", "--random", "3"],
            "'1..' is not a range: LOW..HIGH or LOW..HIGH:log was",
        ),
        (
            ["sweep", "quick", "--vary", "epochs=1", "--vary", "epochs=2"],
            "--vary names 'epochs' twice: give all its values at once",
        ),
        (
            ["sweep", "quick", "--vary", "epochs=1,2", "--random", "3"],
            "3 different variants were to be drawn, but these values have only 2",
        ),
        (["sweep", "quick", "--vary", "epochs=1,2", "--random", "0"], "`trials.count` should be"),
        (
            ["sweep", "quick", "--vary", "epochs=1,2", "--random", "2", "--search", "2"],
            "--search one after another: give one",
        ),
        (["sweep", "quick", "--vary", "epochs=1,2", "--address", "auto"], "are for a Ray cluster: add --on ray"),
        (
            ["study", "temperature", "--on", "ray", "--device", "cpu"],
            "--device is for runs in this process. On Ray, --gpus 0",
        ),
        (["study", "temperature", "--on", "ray", "--cpus", "0.5"], "A run needs at least 1 processor"),
        (["sweep", "quick", "--vary", "data.labels=3..400", "--search", "2"], "The variant 'labels 3' cannot run"),
        (["sweep", "quick", "--vary", "data.labels=3,4"], "The variant 'labels 3' cannot run: `data.labels` is 3"),
    ],
)
def test_mistakes_are_reported_before_anything_runs(arguments, message, capsys):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
    assert here().ids() == []


def here() -> Store:
    from kdcore.paths import runs_folder

    return Store(runs_folder())


def test_a_damaged_study_and_a_damaged_run_are_listed_and_deleted(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    for name, file in (("20260101-000000-hurt-0000", "events.jsonl"), ("20260101-000000-gone-0000", "recipe.yaml")):
        (tmp_path / "runs" / name / file).mkdir(parents=True)
    (tmp_path / "runs" / "studies").mkdir()
    (tmp_path / "runs" / "studies" / "old.yaml").write_bytes(b"\xff")
    assert main(["runs"]) == 0
    printed = capsys.readouterr().out
    assert "20260101-000000-hurt-0000 is damaged: events.jsonl cannot be read: It is a folder." in printed
    assert "Delete it: python -m kdcore runs delete 20260101-000000-gone-0000" in printed
    assert main(["runs", "--json"]) == 0
    runs = {run["id"]: run for run in json.loads(capsys.readouterr().out)}
    assert runs["20260101-000000-hurt-0000"]["status"] == "damaged"
    assert "It is a folder" in runs["20260101-000000-hurt-0000"]["damage"]
    assert main(["study", "list"]) == 0
    assert "old is damaged: " in capsys.readouterr().out
    assert main(["runs", "resume", "20260101-000000-hurt-0000"]) == 1
    assert "is damaged; only a stopped, failed or interrupted run can be resumed" in capsys.readouterr().err
    for command in (["runs", "csv"], ["runs", "recipe"]):
        assert main([*command, "20260101-000000-hurt-0000"]) == 1
        assert "Traceback" not in capsys.readouterr().err
    for command in (["runs", "delete", "20260101-000000-hurt-0000"], ["runs", "delete", "20260101-000000-gone-0000"],
                    ["study", "delete", "old"]):  # fmt: skip
        assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "runs").rglob("*")) == ["studies"]


def test_a_random_sweep_of_three_settings_continues_as_it_began(recipe_file, capsys):
    vary = ("optimizer.lr=1e-3..1e-2:log", "terms.1.temperature=1..8", "terms.0.weight=0.2,0.8")
    arguments = [word for each in vary for word in ("--vary", each)]
    assert main(["sweep", recipe_file, *arguments, "--random", "2", "--draw-seed", "7", "--seeds", "0", "--device", "cpu", "--json"]) == 0  # fmt: skip
    labels = [variant["variant"] for variant in last_line(capsys)["variants"]]
    assert len(set(labels)) == 2
    (state,) = Studies(here()).states()
    here().delete(state.places[1].run_id)
    assert main(["study", "resume", state.id, "--json", "--device", "cpu"]) == 0
    assert [variant["variant"] for variant in last_line(capsys)["variants"]] == labels
    assert [run.id for run in here().states()] == sorted((place.run_id for place in state.places), reverse=True)


def test_a_search_continues_and_names_the_best_by_validation(recipe_file, capsys):
    pytest.importorskip("optuna", reason="optuna is missing (requirements-cluster.txt)")
    vary = ["--vary", "optimizer.lr=1e-3..1e-2:log", "--vary", "terms.0.weight=0.2,0.8"]
    assert main(["sweep", recipe_file, *vary, "--search", "2", "--device", "cpu", "--name", "mine"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "finished, 2 of 2 runs finished" in printed
    assert "Best by validation accuracy: lr 0.0" in printed
    (state,) = Studies(here()).states()
    assert state.study.searches
    assert {place.point.seed for place in state.places} == {0}
    assert main(["study", "resume", state.id, "--json", "--device", "cpu"]) == 0  # nothing is left to do
    assert len(here().ids()) == 2
    assert main(["study", "delete", state.id]) == 0
    assert not Studies(here()).search_log(state.id).exists()


@pytest.mark.parametrize("recipe, expected", [("quick", "quick sweep"), ("/home/ann/study/mine.yaml", "mine sweep"), ("failures/random-teacher", "random-teacher sweep")])  # fmt: skip
def test_a_sweep_is_named_after_its_recipe_without_folders(recipe, expected):
    assert sweep.title(recipe) == expected
