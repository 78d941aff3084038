"""A command in a process of its own ends, or a sentence says why not."""

import sys

import pytest

from kdcore.errors import UserError
from kdcore.runtime import apart

INSTEAD = "In a terminal: python -m kdcore x"


def run(code: str, **settings):
    return apart.run(
        [sys.executable, "-S", "-c", code], what="The import", instead=INSTEAD, **{"seconds": 60, **settings}
    )


def test_it_reads_what_is_given_and_its_exit_status_is_the_caller_s_concern():
    done = run("import sys; print(sys.stdin.read() * 2); sys.exit(3)", given="ab")
    assert (done.stdout, done.returncode) == ("abab\n", 3)


def test_its_environment_is_the_one_that_is_given():
    assert run("import os; print(os.environ['KD_RUNS'])", environment={"KD_RUNS": "/here"}).stdout == "/here\n"


def test_what_takes_too_long_is_stopped_with_a_sentence():
    with pytest.raises(UserError, match="The import took longer than 0.1 seconds and was stopped. In a terminal: "):
        run("import time; time.sleep(60)", seconds=0.1)


def test_it_is_stopped_when_it_is_no_longer_wanted():
    looks = iter([False, True])
    with pytest.raises(UserError, match="^The import was stopped.$"):
        run("import time; print('x' * 200_000, flush=True); time.sleep(60)", stopped=lambda: next(looks))


def test_long_input_and_output_survive_looking_whether_it_is_wanted():
    done = run("import sys, time; text = sys.stdin.read(); time.sleep(0.3); print(text)", given="ab" * 200_000)
    assert len(done.stdout) == 400_001


@pytest.mark.parametrize(("seconds", "words"), [(900.0, "15 minutes"), (60.0, "60 seconds"), (90.0, "1.5 minutes")])
def test_a_limit_is_told_in_the_unit_that_reads_well(seconds, words):
    assert apart._in_words(seconds) == words


def test_what_cannot_be_started_says_so():
    with pytest.raises(UserError, match=r"The import could not be started \(No such file or directory\). Try again"):
        apart.run(["/no/such/program"], what="The import", seconds=1, instead=INSTEAD)
