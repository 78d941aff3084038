"""What pages call of the runner is there, in the real one and in the one that tests put in its place."""

import inspect

from kdcore.runner import Runner
from pages.parts import engine


def methods_of(kind):
    return {
        name: kind.__dict__[name]
        for name in kind.__dict__
        if inspect.isfunction(kind.__dict__[name]) and name[0] != "_"
    }


def test_the_runner_has_every_method_that_pages_call_with_the_same_arguments():
    for name, declared in methods_of(engine.Runner).items():
        wanted = list(inspect.signature(declared).parameters)
        found = list(inspect.signature(getattr(Runner, name)).parameters)
        assert found[: len(wanted)] == wanted, name


def test_the_runner_of_tests_has_them_too(runner):
    assert isinstance(runner, engine.Runner)


def test_a_refused_command_is_its_reason(runner):
    runner.refusal = "Run x is finished."
    assert engine.refusal(runner.pause, "x") == "Run x is finished."
    runner.refusal = ""
    assert engine.refusal(runner.pause, "x") == ""
