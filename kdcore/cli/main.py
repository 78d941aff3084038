"""The commands, each loaded when it runs, and how errors are shown."""

import difflib
import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, Argument, CoercionError, CycloptsError, MissingArgumentError, Parameter, UnknownCommandError
from cyclopts.exceptions import ConsumeMultipleError, UnknownOptionError, UnusedCliTokensError

from kdcore import __version__, plugins
from kdcore.cli import arguments
from kdcore.cli.bug_log import bugs_logged
from kdcore.errors import clipped, shortened, shown
from kdcore.runtime import cores, processes

PROGRAM = "python -m kdcore"
EXAMPLES = """Examples:

  python -m kdcore distill quick                  student and twin, 2 to 4 minutes
  python -m kdcore distill quick --seeds 0 1 2    mean of three seeds
  python -m kdcore study temperature              variants, with intervals
  python -m kdcore explain photo.jpg              heatmaps of three networks
  python -m kdcore runs                           all runs
  python -m kdcore runs resume ID                 continue a run
  python -m kdcore check-environment              check this machine
  python -m kdcore COMMAND --help                 options of a command

The app shows the same runs: one that is started here appears there, live.
Environment: KD_RUNS and KD_DATA set the folders of runs and data, KD_THREADS
the CPU threads of training. --debug or KD_DEBUG=1 shows tracebacks of bugs.
--plugin FILE.py, repeated for more, or KD_PLUGINS adds parts of your own.
Exit status: 0 success, 1 refused or failed, 2 not understood, 130 interrupted."""

# Module and app (loaded when the command runs), name, aliases, summary.
COMMANDS = (
    ("distill:app", "distill", ("train-distill", "train_distill"), "Train a student from a recipe."),
    ("distill:teacher_app", "train-teacher", ("train_teacher",), "Train one network with labels alone."),
    ("study:app", "study", (), "Compare variants of a recipe over several seeds."),
    ("sweep:app", "sweep", (), "Vary settings of a recipe over several seeds."),
    ("prune:app", "prune", (), "Prune a run's student, then fine-tune it."),
    ("runs:app", "runs", (), "List, show, resume, export and delete runs."),
    ("data:app", "data", (), "Report on a folder of images, before a run."),
    ("evaluate:app", "evaluate", (), "Measure a model on a split."),
    ("robustness:app", "robustness", (), "Evaluate networks on perturbed test sets; what passes on."),
    ("explain:app", "explain", (), "Draw heatmaps of a photo."),
    ("methods:app", "methods", (), "List the distillation methods, or print one's page."),
    ("plugins:app", "plugins", (), "List parts of your own, from files or packages."),
    ("export:app", "export", (), "Write a network for other programs: ONNX, INT8, .safetensors, a folder."),
    ("deploy:app", "deploy", (), "Compare a run's networks for deployment: size, latency, INT8."),
    ("weights:import_app", "import-weights", (), "Turn .pth files into a .safetensors file."),
    ("teacher_check:app", "check-teacher", ("examine",), "Check a recipe's teacher before a run."),
    ("environment_check:app", "check-environment", ("doctor",), "Check this machine: what is missing, how to fix it."),
)

app = App(
    name=PROGRAM,
    help="Train students with and without their teachers, and look inside the networks.",
    help_epilogue=EXAMPLES,
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
    default_parameter=Parameter(negative=()),
)
for place, (path, name, aliases, summary) in enumerate(COMMANDS):
    app.command(f"kdcore.cli.{path}", name=name, alias=aliases, help=summary, sort_key=place)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 success, 1 refused or failed, 2 not understood, 130 interrupted."""
    words = list(sys.argv[1:] if words is None else words)
    tokens = [word for word in words if word != "--debug"]
    debug = len(tokens) < len(words) or os.environ.get("KD_DEBUG", "") not in ("", "0")
    with bugs_logged(debug=debug):
        return _run(tokens)


def _run(tokens: list[str]) -> int:
    files, tokens = arguments.plugin_files(tokens)
    if "" in files:
        print(f"error: --plugin needs a file, as in --plugin my_loss.py. Help: {PROGRAM} --help", file=sys.stderr)
        return 2
    cores.limit_libraries()
    # what is wrong with an image is in the report of its folder
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    if processes.launched():
        processes.without_advice_of_torch()
    try:
        with plugins.given(files):
            command, bound, _ = app.parse_args(arguments.rewritten(app, tokens), exit_on_error=False, print_error=False)
            if processes.launched():  # by torchrun
                from kdcore.runner import companions

                status = companions.run(lambda: command(*bound.args, **bound.kwargs))
            else:
                status = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        return exit_status(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, SystemExit) as error:  # a UserError says how to fix it; others are bugs, here or in a plugin
        print(f"error: {shown(error)}", file=sys.stderr)
        return 1
    return int(status or 0) if tokens else 2  # without a command, the help is shown


def exit_status(error: CycloptsError) -> int:
    """2; but 1 for an id that is missing, as in earlier releases."""
    missing = error.argument if isinstance(error, MissingArgumentError) else None
    return 1 if missing is not None and missing.name == "ID" else 2


def in_words(error: CycloptsError) -> str:
    """A command line that was not understood: what came, what was expected, and where the help is."""
    command = " ".join(error.command_chain or ())
    match error:
        case UnknownCommandError():
            reason = _unknown_command((error.unused_tokens or [""])[0], app)
        case UnknownOptionError():
            reason = _unknown_option(error)
        case UnusedCliTokensError():
            reason = _unexpected((error.unused_tokens or [""])[0], command)
        case ConsumeMultipleError():
            reason = f"{error.keyword} needs at least {error.min_required} value, as in {error.keyword} 0 1 2."
        case MissingArgumentError(argument=argument) if argument:
            reason = _missing(error, argument, command)
        case CoercionError(token=token) if token:
            expected = {int: "a whole number", float: "a number"}.get(error.target_type or str, "another value")
            reason = f"{token.keyword or 'Argument'} is {shortened(token.value)}; {expected} was expected."
        case _:
            reason = str(error)
    return f"{reason} Help: {PROGRAM} {command + ' ' if command else ''}--help"


def _unknown_option(error: UnknownOptionError) -> str:
    """Names are compared without their dashes, which all have in common."""
    word = error.token.keyword or error.token.value
    known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
    near = difflib.get_close_matches(word.strip("-")[:80], [name[2:] for name in known if name.startswith("--")], n=1)
    several = [arguments.names(option)[0] for option in arguments.meant(word, error.argument_collection)]
    if len(several) > 1:
        hint = f" It may be {' or '.join(several)}."
    elif near:
        hint = f" Did you mean --{near[0]}?"
    else:
        hint = " A recipe's settings are changed with --set, as in --set epochs=3." if "--set" in known else ""
    return f"Unknown option: {clipped(word)}.{hint}"


def _unexpected(word: str, command: str) -> str:
    group = app.parse_commands(command.split())[1][-1] if command else app
    if any(not name.startswith("-") for name in group):
        return _unknown_command(word, group, command)
    return f"Unexpected argument {shortened(word)}."


def _unknown_command(word: str, group: App, command: str = "") -> str:
    known = [name for name in group if not name.startswith("-")]
    near = difflib.get_close_matches(word[:80], known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    kind = "option" if word.startswith("-") else "command"
    return f"Unknown {kind} {shortened(f'{command} {word}'.strip())}.{hint} Commands: {', '.join(known)}."


def _missing(error: MissingArgumentError, argument: Argument, command: str) -> str:
    if keyword := error.keyword or next((token.keyword for token in argument.tokens if token.keyword), None):
        count = argument.token_count()[0]
        return f"{keyword} needs {'a value' if count == 1 else f'{count} values'}."
    return f"`{command}` needs {argument.name if argument.field_info.is_keyword_only else argument.name.lstrip('-').upper()}."
