import json
import logging
import os
import re
import subprocess
import sys

import pytest

from kdcore import recipe as recipes
from kdcore.cli import bug_log, dynamic_attention_flags, main
from kdcore.cli.options import store
from kdcore.paths import PROJECT
from tests import warm


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KD_THREADS", "1")


@pytest.fixture
def recipe_file(tmp_path, tiny):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny(epochs=1).to_yaml())
    return str(path)


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_distill_prints_events_as_json_and_leaves_a_run(recipe_file, capsys):
    assert main(["distill", recipe_file, "--json", "--device", "cpu"]) == 0
    events = lines(capsys)
    assert events[0]["event"] == "Queued"
    assert events[-1]["event"] == "RunFinished"
    assert main(["runs", "--json"]) == 0
    runs = {run["id"]: run["status"] for run in json.loads(capsys.readouterr().out)}
    assert runs[events[0]["run"]] == "finished"


def test_distill_prints_every_network_with_its_interval_and_a_conclusion(recipe_file, capsys):
    assert main(["distill", recipe_file, "--device", "cpu", "--seeds", "0", "1"]) == 0
    out = capsys.readouterr().out
    for word in ("teacher", "student", "twin", "95 % interval", "Student - twin: ", "Mean of 2 seeds"):
        assert word in out
    for word in ("what else changed", "Divergence from", "nats", "without intervals"):
        assert word in out
    said = " ".join(out.split())  # its teacher has random weights
    assert re.search(
        r"\d{8}-\d{6}-tiny\S*: The teacher gets [\d.]+ % of the test images right; guessing gets 10.0 %\.", said
    )
    assert "Choose a teacher that was trained on these classes" in said
    assert "What passed on besides accuracy is not known: of teacher and twin, only 20 images (50 are needed)." in said


def test_a_mistake_in_a_setting_or_a_name_gets_a_near_match(recipe_file, capsys):
    assert main(["distill", recipe_file, "--set", "epoch=2"]) == 1
    assert "Did you mean `epochs`?" in capsys.readouterr().err
    assert main(["distill", "quik"]) == 1
    assert "no recipe 'quik'. Did you mean 'quick'? Known: " in capsys.readouterr().err


def test_a_run_can_be_shown_exported_and_deleted(recipe_file, capsys, tmp_path):
    main(["distill", recipe_file, "--json", "--device", "cpu"])
    run_id = lines(capsys)[0]["run"]
    assert main(["runs", "csv", run_id]) == 0
    assert capsys.readouterr().out.startswith("step,")
    assert main(["runs", "recipe", run_id]) == 0
    assert "three_stage_cnn_16" in capsys.readouterr().out
    assert main(["runs", "show", run_id]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "teacher at chance" in [diagnosis["kind"] for diagnosis in shown["diagnoses"]]
    assert shown["passed_on"].startswith(
        "What passed on besides accuracy is not known: of teacher and twin, only 20 images"
    )
    assert {"temperature", "ece_scaled", "kl", "balanced_accuracy"} <= shown["results"]["student"].keys()
    assert main(["runs", "classes", run_id]) == 0
    assert capsys.readouterr().out.startswith("class,images,teacher,student,twin,student - twin,")
    assert main(["runs", "classes", run_id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(map(sum, found["confusion"]["student"])) == sum(row["images"] for row in found["by_class"]) == 20
    out = tmp_path / "student.safetensors"
    assert main(["export", run_id, str(out), "--fp16", "--command", "distill tiny"]) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["command"] == "distill tiny"
    assert card["accuracy"]["low"] <= card["accuracy"]["top1"] <= card["accuracy"]["high"]
    assert card["recipe"]["name"] == "tiny"
    capsys.readouterr()
    assert main(["evaluate", str(out), "--json", "--set", "test_images=20"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 20
    assert main(["runs", "delete", run_id]) == 0
    assert main(["runs", "show", run_id]) == 1
    assert "There is no run" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["distill", "train-distill", "train_distill"])
def test_alpha_and_temp_set_weights_and_temperature(command, tiny, tmp_path, capsys):
    path = tmp_path / "tiny.yaml"
    temperature = {"piecewise": [[1, 3.0], [2, 2.0]]}
    terms = [{"method": "attention"}, {"method": "kd", "temperature": temperature}]
    path.write_text(tiny(epochs=1, terms=terms, twin=False).to_yaml())
    assert main([command, "--recipe", str(path), "--alpha", "0.7", "--temp", "5.0", "--json", "--device", "cpu"]) == 0
    run_id = lines(capsys)[0]["run"]
    main(["runs", "recipe", run_id])
    attention, kd = recipes.from_yaml(capsys.readouterr().out).terms
    assert (attention.weight, kd.weight) == (0.7, 0.3)
    assert kd.temperature == {"piecewise": [[1, 5.0], [2, 2.0]]}


def test_flags_that_a_recipe_has_no_terms_for_are_refused(recipe_file, capsys, tmp_path, tiny):
    plain = tmp_path / "plain.yaml"
    plain.write_text(tiny(terms=[{"method": "ce"}]).to_yaml())
    assert main(["distill", str(plain), "--alpha", "0.7"]) == 1
    assert "--alpha 0.7 needs one attention or attention_transfer term" in capsys.readouterr().err
    assert main(["distill", str(plain), "--temp", "3"]) == 1
    assert "--temp 3 needs one kd term in the recipe; tiny has ce." in capsys.readouterr().err
    assert main(["distill", recipe_file, "--alpha", "1.5"]) == 1
    assert "--alpha is 1.5; a number from 0 to 1 was expected" in capsys.readouterr().err
    assert main(["distill"]) == 1
    assert "Which recipe? For example: python -m kdcore distill quick" in capsys.readouterr().err


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (4.0, 3.0),
        ({"linear": [4, 1]}, {"linear": [3.0, 1]}),
        ({"cosine": [4, 1]}, {"cosine": [3.0, 1]}),
        ({"steps": {"start": 4, "factor": 0.5, "at": [2]}}, {"steps": {"start": 3.0, "factor": 0.5, "at": [2]}}),
    ],
)
def test_temp_is_where_a_schedule_starts(schedule, expected, tiny):
    recipe = tiny(terms=[{"method": "kd", "temperature": schedule}])
    assert dynamic_attention_flags.applied(recipe, None, 3.0).terms[0].temperature == expected


@pytest.mark.parametrize("command", ["train-teacher", "train_teacher"])
def test_a_recipe_s_teacher_is_trained_on_its_data_with_right_labels(command, tiny, tmp_path, capsys):
    path = tmp_path / "tiny.yaml"
    teacher = {**tiny().teacher.model_dump(), "finetune": {"epochs": 9, "lr": 0.002}}
    data = {**tiny().data.model_dump(), "labels": 20, "label_noise": 0.5}
    path.write_text(tiny(teacher=teacher, data=data).to_yaml())
    assert main([command, "--recipe", str(path), "--epochs", "1", "--json", "--device", "cpu"]) == 0
    events = lines(capsys)
    (started,) = [event for event in events if event["event"] == "RunStarted"]
    assert (started["labelled_images"], started["epochs"]) == (80, 1)
    main(["runs", "recipe", events[0]["run"]])
    trained = recipes.from_yaml(capsys.readouterr().out)
    assert (trained.student.model, trained.optimizer.lr, trained.teacher) == ("small_vit_patch4_32", 0.002, None)


def test_train_teacher_is_a_run_of_one_network(capsys):
    command = [
        "train-teacher",
        "three_stage_cnn_16",
        "--image-size",
        "32",
        "--epochs",
        "1",
        "--json",
        "--device",
        "cpu",
    ]
    settings = ["--set", "data.train_images=60", "--set", "data.test_images=20", "--set", "data.batch_size=16"]
    assert main(command + settings) == 0
    results = lines(capsys)[-1]["results"]
    assert set(results) == {"student"}


def test_a_folder_without_a_path_and_a_seed_below_zero_are_refused(recipe_file, capsys):
    assert main(["train-teacher", "resnet20", "--data", "folder"]) == 1
    assert "Data 'folder' needs `path`" in capsys.readouterr().err
    assert main(["distill", recipe_file, "--seeds", "-1"]) == 1
    assert "seeds" in capsys.readouterr().err


def test_the_environment_check_reports_packages_and_datasets(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["cues"] is True
    assert found["packages"]["torch"]
    assert main(["doctor"]) == 0
    assert "datasets" in capsys.readouterr().out


def test_explain_writes_the_map_that_the_page_shows(recipe_file, capsys, tmp_path):
    import numpy as np
    from PIL import Image

    from kdcore import photos
    from kdcore.cli.options import store
    from kdcore.inspection import Inspector

    main(["distill", recipe_file, "--json", "--device", "cpu"])
    reference = f"run:{lines(capsys)[0]['run']}/student"
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(photo)
    assert main(["explain", str(photo), "--model", reference, "--npz", str(tmp_path / "maps.npz")]) == 0
    assert "written: " in capsys.readouterr().out
    with Image.open(tmp_path / "photo-explained.png") as sheet:
        assert sheet.width > 320
    with np.load(tmp_path / "maps.npz") as maps:
        pixels = photos.read(photo.read_bytes(), "photo.png").pixels
        np.testing.assert_array_equal(maps[reference], Inspector(store()).inspect(pixels, reference).heatmap)


def test_methods_are_listed_printed_and_written(capsys, tmp_path):
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert "kd " in out
    assert "The student's softened class probabilities follow the teacher's." in out
    assert main(["methods", "kd"]) == 0
    assert capsys.readouterr().out.startswith("# Knowledge distillation (`kd`)")
    assert main(["methods", "kd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["refusals"]["ViT to CNN"] == ""
    assert main(["methods", "--write", str(tmp_path)]) == 0
    assert (tmp_path / "kd.md").is_file()
    assert main(["methods", "kdd"]) == 1
    assert "Unknown method 'kdd'. Did you mean" in capsys.readouterr().err


def test_a_student_of_two_classes_can_be_measured_and_exported(tiny, tmp_path, capsys):
    path = tmp_path / "two.yaml"
    two = {**tiny().data.model_dump(), "only": ["star", "circle"]}
    path.write_text(tiny(data=two, epochs=1).to_yaml())
    assert main(["distill", str(path), "--json", "--device", "cpu"]) == 0
    events = lines(capsys)
    assert {"auroc", "sensitivity", "specificity"} <= events[-1]["results"]["student"].keys()
    out = tmp_path / "student.safetensors"
    assert main(["export", f"run:{events[0]['run']}/student", str(out)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(out), "--set", "test_images=20"]) == 0
    assert "circle against star: AUROC " in capsys.readouterr().out


def test_a_missing_photo_is_named(capsys):
    assert main(["explain", "no-such.jpg"]) == 1
    assert "There is no file no-such.jpg" in capsys.readouterr().err


def test_help_is_worth_reading(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for word in ("distill quick", "explain photo.jpg", "doctor", "KD_RUNS"):
        assert word in out


def strict(text: str):
    """JSON as strict readers take it: without NaN and infinity."""

    def refused(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


def test_a_loss_that_is_not_finite_is_null_in_json(recipe_file, capsys):
    assert main(["distill", recipe_file, "--json", "--device", "cpu", "--set", "terms.0.weight=1e300"]) == 1
    events = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events][-1] == "RunFailed"
    run_id = events[0]["run"]
    assert main(["runs", "show", run_id]) == 0
    assert strict(capsys.readouterr().out)["status"] == "failed"
    assert main(["runs", "--json"]) == 0
    assert strict(capsys.readouterr().out)[0]["id"] == run_id


def test_a_network_of_nan_is_one_sentence(tmp_path, capsys):
    import torch
    from PIL import Image

    from kdcore import models

    network = models.load("cues-student")
    with torch.no_grad():
        for parameter in network.net.parameters():
            parameter.fill_(torch.nan)
    models.save(network, tmp_path / "nan.safetensors")
    Image.new("RGB", (80, 80), "grey").save(tmp_path / "photo.png")
    weights = str(tmp_path / "nan.safetensors")
    for command in (
        ["explain", str(tmp_path / "photo.png"), "--model", weights, "--json"],
        ["evaluate", weights, "--json", "--set", "test_images=20"],
    ):
        assert main(command) == 1
        found = capsys.readouterr()
        assert "nan.safetensors are not all numbers" in found.err
        assert "Use weights from an earlier checkpoint or another source." in found.err
        assert not found.out


def test_the_folder_in_which_recipes_look_for_weights_is_made_by_the_first_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    out = tmp_path / "data" / "weights" / "mine.safetensors"
    assert main(["export", "cues-student", str(out)]) == 0, capsys.readouterr().err
    assert out.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "cues-student", "--device", "gpu"], "--device is 'gpu'; cpu, cuda, cuda:1 or mps was expected."),
        (["distill", "quick", "--device", "cuda:99"], "--device is cuda:99, but PyTorch finds "),
        (["export", "cues-student", "no/folder/out.safetensors"], "There is no folder no/folder to write out.safetensors"),
        (["export", "cues-student", "."], " is a folder. Give the path of a file."),
        (["distill", "quick", "--set", "x"], "x"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_line_and_ends_with_1(arguments, message, capsys):
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("error", [ValueError("broken inside"), KeyError("key"), RuntimeError("shape")])
def test_a_bug_is_a_calm_sentence_with_a_number_and_its_traceback_in_the_log(error, capsys, monkeypatch, tmp_path):
    from kdcore.inspection import method_cards

    def fails():
        raise error

    monkeypatch.setattr(method_cards, "entries", fails)
    assert main(["methods"]) == 1
    err = capsys.readouterr().err
    sentence, where = err.splitlines()
    number = re.fullmatch(r"error: Something went wrong here. .* (\w+)\.", sentence)
    assert where == f"The log is {tmp_path / 'runs' / 'errors.log'}. With --debug, tracebacks are shown here."
    log = (tmp_path / "runs" / "errors.log").read_text()
    assert f"Bug {number[1]}: {type(error).__name__}" in log
    assert "in fails" in log
    assert main(["runs"]) == 0  # the log is no run
    assert "errors" not in capsys.readouterr().out


@pytest.mark.parametrize(("flags", "variable"), [(["--debug"], ""), ([], "1")])
def test_with_debug_the_traceback_of_a_bug_is_shown(flags, variable):
    code = (
        "import sys\nfrom kdcore.cli import main, runs\n"  # a command that does not load torch
        f"runs.store = None\nsys.exit(main(['runs', *{flags}]))"
    )
    environment = {**os.environ, "KD_DEBUG": variable}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "TypeError: 'NoneType' object is not callable" in done.stderr
    assert "error: Something went wrong here." in done.stderr


def test_a_reader_that_has_enough_ends_the_output_quietly():
    recorded = next((PROJECT / "assets" / "runs").iterdir()).name  # its figures are more than a pipe holds
    command = f"set -o pipefail; {sys.executable} -m kdcore runs csv {recorded} | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_in_the_training_thread_shows_no_traceback_either(recipe_file, capsys, monkeypatch, tmp_path):
    def fails(parts):
        raise RuntimeError("shape mismatch inside")

    monkeypatch.setattr("kdcore.runner.job.train", fails)
    assert main(["distill", recipe_file, "--device", "cpu"]) == 1
    out, err = capsys.readouterr()
    assert "failed: Something went wrong here." in " ".join(out.split())
    assert "Traceback" not in out + err
    assert "The log is " in err
    assert "shape mismatch inside" in (tmp_path / "runs" / "errors.log").read_text()


def test_messages_with_square_brackets_are_printed_as_they_are(capsys):
    from kdcore.cli.progress import Bar
    from kdcore.events import Noted, RunFailed

    bar = Bar()
    bar.take("id", Noted("The mean [0.5] of [bold] and [/nothing]", "warning"))
    bar.take("id", RunFailed("terms [kd] [/end]"))
    bar.close()
    out = capsys.readouterr().out
    assert "The mean [0.5] of [bold] and [/nothing]" in out
    assert "failed: terms [kd] [/end]" in out


def test_what_a_user_does_in_the_app_is_printed_in_the_terminal(capsys):
    from kdcore.cli.progress import Bar
    from kdcore.events import KnobTurned, RunPaused, RunResumed

    bar = Bar()
    bar.take("id", RunPaused(39))
    paused = bar.bar.tasks[0].description
    bar.take("id", KnobTurned(39, "weight/kd", 1.2, {"old": 0.9, "new": 1.08}))
    bar.take("id", KnobTurned(39, "weight/kd", 1.0, {"old": 1.08, "new": 0.9}, by="Ada", undo=True))
    bar.take("id", RunResumed(39))
    bar.close()
    assert (paused, bar.bar.tasks[0].description) == ("paused", "training")
    out = " ".join(capsys.readouterr().out.split())
    for line in (
        "paused at step 39; the run's page in the app continues it",
        "The weight of kd was changed from 0.9 to 1.08 by a user, after step 39.",
        "The weight of kd was set back from 1.08 to 0.9 by Ada, after step 39.",
        "continued at step 39",
    ):
        assert line in out


def test_the_list_of_runs_has_whole_ids_on_a_narrow_terminal(recipe_file, capsys, monkeypatch):
    assert main(["distill", recipe_file, "--json", "--name", "a-name-of-many-letters-and-hyphens"]) == 0
    run_id = lines(capsys)[0]["run"]
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["runs"]) == 0
    assert f"\n{run_id}  a-name-of-many-letters-and-hyphens  finished " in capsys.readouterr().out


@pytest.mark.parametrize("interrupts", ["default_int_handler", "SIG_IGN"])
def test_a_reader_of_json_that_leaves_stops_the_run_with_a_checkpoint(recipe_file, request, interrupts):
    """In the foreground, and where Ctrl-C is ignored, as in what a script begins with `&`."""
    code = f"import signal, sys; signal.signal(signal.SIGINT, signal.{interrupts}); from kdcore.cli import main; sys.exit(main(sys.argv[2:]))"
    command = ["-m", "tests.program", code, "distill", recipe_file, "--json", "--set", "epochs=2000"]
    reading, writing = os.pipe()
    with open(writing, "wb") as output:
        process = warm.start(command, cwd=PROJECT, env=dict(os.environ), output=output)
    request.addfinalizer(process.kill)
    with open(reading, encoding="utf-8") as lines_of_output:
        read = []
        while '"StepEnded"' not in (line := lines_of_output.readline()):
            assert line, read
            read.append(line)
    # the reader has left, as `head` does
    assert process.wait(timeout=120) == 130
    state = store().state(json.loads(line)["run"])
    assert (state.status, state.reason) == ("stopped", "Interrupted in the terminal.")
    assert store().checkpoint(state.id)


def test_a_map_that_one_network_does_not_have_is_refused_with_its_name(tmp_path, capsys):
    photo = str(PROJECT / "assets" / "samples" / "cues-heart.png")
    assert main(["explain", photo, "--map", "cls_attention", "--out", str(tmp_path / "maps.png")]) == 1
    err = capsys.readouterr().err
    assert "error: cifar10-student: " in err
    assert "is not defined for this model" in err
    assert "Networks are chosen with --model." in err


def test_data_with_other_classes_is_refused_before_a_download(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "empty"))
    assert main(["evaluate", "cues-student", "--data", "cifar10"]) == 1
    out, err = capsys.readouterr()
    assert "cues-student has the classes circle, triangle, " in err
    assert "the data has airplane, automobile, " in err
    assert "Downloading" not in out + err


def test_a_dataset_that_is_not_there_is_named_with_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "empty"))
    assert main(["check-environment", "--json"]) == 0
    (advice,) = [each for each in json.loads(capsys.readouterr().out)["advice"] if each.startswith("cifar10 ")]
    assert f"not in {tmp_path / 'empty'}: a run that uses it downloads it; without a network, put it there." in advice


def test_the_log_of_errors_keeps_to_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(bug_log, "MOST_BYTES", 1000)
    handler = bug_log.BugLog(tmp_path / bug_log.NAME)
    for number in range(100):
        handler.emit(logging.LogRecord("kdcore", logging.ERROR, "here", 1, f"bug {number} {'x' * 100}", None, None))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"errors.log", "errors.log.1"}
    assert max(sizes.values()) < 1300
    assert "bug 99" in (tmp_path / bug_log.NAME).read_text()


def test_classes_of_a_run_without_predictions_are_refused_with_the_reason(capsys):
    run_id = store().create(recipes.from_plain({"student": {"model": "resnet20"}}))
    assert main(["runs", "classes", run_id]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert f"Run {run_id} has no predictions of test images: it is created." in error
    assert f"runs recipe {run_id}" in error


def test_a_seed_that_is_named_twice_is_refused(recipe_file, capsys):
    assert main(["distill", recipe_file, "--seeds", "1", "1", "1"]) == 1
    assert "names one twice: 1, 1, 1. The runs would be identical: give each seed once" in capsys.readouterr().err
    assert main(["sweep", recipe_file, "--vary", "epochs=1,2", "--seeds", "1", "1"]) == 1
    assert "names one twice: 1, 1" in capsys.readouterr().err
