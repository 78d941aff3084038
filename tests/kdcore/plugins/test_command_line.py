"""Plugins on the command line, from Python, and in processes that are started."""

import json
import os
import subprocess
import sys

import pytest

import kdcore as kd
from kdcore import methods, plugins
from kdcore.cli import main
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from tests.kdcore.plugins.conftest import EXAMPLES


@pytest.fixture
def margin(write):
    return write("margin.py", EXAMPLES["margin.py"])


@pytest.mark.parametrize("place", ["before", "after", "joined"])
def test_every_command_takes_files_for_its_time_alone(place, margin, capsys):
    words = {
        "before": ["--plugin", str(margin), "methods", "margin"],
        "after": ["methods", "margin", "--plugin", str(margin)],
        "joined": ["methods", f"--plugin={margin}", "margin"],
    }[place]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("# Margin matching (`margin`)")
    assert main(["methods", "margin"]) == 1
    assert "Unknown method 'margin'" in capsys.readouterr().err


def test_it_may_be_repeated_and_the_parts_are_listed(margin, write, capsys):
    bands = write("bands.py", EXAMPLES["bands.py"])
    assert main(["plugins", "--json", "--plugin", str(margin), "--plugin", str(bands)]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["kind"], each["name"], each["from"]) for each in listed] == [
        ("method", "margin", str(margin)),
        ("dataset", "bands", str(bands)),
    ]
    assert main(["plugins"]) == 0
    assert capsys.readouterr().out.startswith("No plugins. Name files with --plugin FILE.py")


def test_a_file_that_cannot_be_used_ends_the_command_with_one_sentence(write, capsys):
    broken = write("broken.py", "import nothing_here\n")
    assert main(["methods", "--plugin", str(broken)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == (
        f"error: The plugin {broken} is not used: line 1: ModuleNotFoundError: No module named 'nothing_here'. Correct the file, "
        "or install what it imports."
    )
    assert "Traceback" not in err


def test_of_a_folder_the_others_are_used_and_the_command_goes_on(margin, write, monkeypatch, capsys):
    write("broken.py", "import nothing_here\n")
    monkeypatch.setenv(plugins.VARIABLE, str(margin.parent))
    assert main(["methods", "margin"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# Margin matching")
    assert "broken.py is not used: line 1: ModuleNotFoundError" in err
    assert main(["plugins"]) == 1


@pytest.mark.parametrize("words", [["methods", "--plugin"], ["methods", "--plugin="]])
def test_a_missing_file_name_is_asked_for(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: --plugin needs a file, as in --plugin my_loss.py.")


def test_a_recipe_with_a_plugins_method_is_checked_as_any_other(margin, tmp_path, capsys):
    recipe = tmp_path / "my.yaml"
    recipe.write_text(
        "name: my\nteacher: {weights: cues-teacher}\nstudent: {model: three_stage_cnn_16}\n"
        "terms: [{method: margin, options: {scael: 2}}]\n"
    )
    assert main(["distill", str(recipe), "--plugin", str(margin)]) == 1
    assert "Method 'margin' has no option 'scael'. Did you mean 'scale'?" in capsys.readouterr().err
    assert main(["distill", str(recipe)]) == 1
    assert "unknown method 'margin'" in capsys.readouterr().err


def test_from_python(margin):
    kd.use_plugins(margin, margin.parent)
    assert kd.load_recipe("quick", terms=[{"method": "ce"}, {"method": "margin"}]).terms[1].method in methods.names()
    with pytest.raises(UserError, match="There is no file or folder"):
        kd.use_plugins("gone.py")


def test_a_process_that_is_started_has_them_too(write):
    assert plugins.environment() == {}
    path = write("bands.py", EXAMPLES["bands.py"])
    plugins.use(path)
    assert plugins.environment() == {"KD_PLUGINS": str(path)}
    code = "from kdcore import plugins; print(plugins.names('dataset'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=os.environ, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("['bands']", "")
