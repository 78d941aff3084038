"""Command lines and what they mean. `command_lines.json` was written by the argparse parser of the first releases."""

import json
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from kdcore.cli import main
from kdcore.cli.arguments import rewritten
from kdcore.cli.main import app

TABLE = json.loads((Path(__file__).parent / "command_lines.json").read_text())
NAMES = {"as_json": "json", "map_name": "method", "study": "name"}  # parameters that were called otherwise then
COMMANDS = {
    "check-teacher": "examine", "check-environment": "doctor", "study start": "study", "runs list-runs": "runs list",
    "study list-studies": "study list", "train-distill": "distill", "csv": "runs csv",
}  # fmt: skip


def parsed(line: str) -> tuple[str, dict]:
    """The command that runs, and the values that were given, under the names of the first releases."""
    command, bound, _ = app.parse_args(rewritten(app, shlex.split(line)), exit_on_error=False, print_error=False)
    group = command.__module__.rpartition(".")[2]
    name = command.__name__.replace("_", "-")
    name = f"{group} {name}" if group in ("runs", "study") else name
    values = dict(bound.arguments)
    if where := values.pop("at", None):  # the options that study, study resume and sweep share
        values |= {field.name: getattr(where, field.name) for field in fields(where)
                   if getattr(where, field.name) != field.default}  # fmt: skip
    return COMMANDS.get(name, name), {NAMES.get(name, name): plain(value) for name, value in values.items()}


def plain(value):
    match value:
        case Path():
            return str(value)
        case list() | tuple():
            return [plain(item) for item in value]
    return value


@pytest.mark.parametrize(("line", "status", "command", "given"), [row for row in TABLE if row[2]])
def test_a_command_line_of_the_first_releases_means_the_same(line, status, command, given):
    assert status == 0
    assert parsed(line) == (command, given)


@pytest.mark.parametrize(("line", "status"), [row[:2] for row in TABLE if row[1]])
def test_what_was_not_understood_still_ends_with_its_status_and_one_line_that_leads_to_the_help(line, status, capsys):
    assert main(shlex.split(line)) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Help: python -m kdcore " in err
    assert "--help\n" in err


@pytest.mark.parametrize("line", [row[0] for row in TABLE if row[1] == 0 and not row[2]])
def test_help_and_version_are_no_errors(line, capsys):
    assert main(shlex.split(line)) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("Usage: python -m kdcore" if "--hel" in line or "-h" in line else "0.")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dsitill quick", "Unknown command 'dsitill'. Did you mean 'distill'? Commands: distill, "),
        ("runs shwo ID", "Unknown command 'runs shwo'. Did you mean 'show'? Commands: "),
        ("distill quick --sedes 0", "Unknown option: --sedes. Did you mean --seeds?"),
        ("distill quick --devices cpu", "Unknown option: --devices. Did you mean --device?"),
        ("distill quick --se 0", "Unknown option: --se. It may be --set or --seeds. Help: "),
        (
            "distill quick --epoch 1",
            "Unknown option: --epoch. A recipe's settings are changed with --set, as in --set epochs=3. Help: ",
        ),
        ("distill quick --data cifar10", "Unknown option: --data. A recipe's settings are changed with --set, as in "),
        ("check-environment --nope", "Unknown option: --nope. Help: python -m kdcore check-environment --help"),
        ("distill quick --seeds one", "--seeds is 'one'; a whole number was expected."),
        ("distill quick --alpha high", "--alpha is 'high'; a number was expected."),
        ("distill quick --seeds", "--seeds needs at least 1 value, as in --seeds 0 1 2."),
        ("distill quick --name", "--name needs a value."),
        ("distill quick extra", "Unexpected argument 'extra'."),
        ("sweep quick", "`sweep` needs --vary."),
        ("sweep --vary epochs=1,2", "`sweep` needs RECIPE."),
        ("import-weights a.pth --model m --data cues --image-size 32 --out o --mean 1 2", "--mean needs 3 values."),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(line, message, capsys):
    assert main(shlex.split(line)) == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_a_missing_id_is_named(capsys):
    assert main(["runs", "show"]) == 1
    assert "error: `runs show` needs ID. Help: python -m kdcore runs show --help" in capsys.readouterr().err


def test_what_follows_two_dashes_is_left_as_it_is():
    assert parsed("methods -- kd") == parsed("methods kd")
    assert rewritten(app, ["explain", "--", "--dev"]) == ["explain", "--", "--dev"]


@pytest.mark.parametrize("value", ["-0.5", "-1e-3", "-2"])
def test_a_negative_number_is_a_value(value):
    assert parsed(f"distill --alpha {value}") == ("distill", {"alpha": float(value)})


@pytest.mark.parametrize(
    "line", ["check-teacher quick", "examine quick", "check-environment", "doctor", "explain p.jpg --map rollout"]
)
def test_plain_names_and_older_ones_are_the_same(line):
    older = line.replace("check-teacher", "examine").replace("check-environment", "doctor").replace("--map", "--method")
    assert parsed(line) == parsed(older)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("runs --json show ID", "runs show ID --json"),
        ("runs --json list", "runs list --json"),
        ("study --json list", "study list --json"),
        ("study --against hot show ID --json", "study show ID --against hot --json"),
        ("study --json temperature", "study temperature --json"),
        ("distill --json quick", "distill quick --json"),
    ],
)
def test_options_may_stand_before_a_subcommand(line, same):
    assert parsed(line) == parsed(same)


def test_one_seed_may_be_called_so():
    assert parsed("distill quick --seed 3") == parsed("distill quick --seeds 3")


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("Usage: python -m kdcore COMMAND")


def test_every_command_has_a_help_without_loading_torch():
    names = [name for name in app if not name.startswith("-")]
    code = (
        "import sys\nfrom kdcore.cli.main import main\n"
        f"assert not any(main([name, '--help']) for name in {names})\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage: python -m kdcore ") == len(names)


def test_help_without_a_command_loads_none_of_them():
    code = "import sys\nfrom kdcore.cli import main\nmain(['--help'])\nprint(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert loaded & {"numpy", "pydantic", "scipy", "torch", "kdcore.recipe", "kdcore.store"} == set()
