"""`runs edit` and what `runs list` finds."""

import json

import pytest

from kdcore import recipe as recipes
from kdcore.cli import main
from kdcore.store import Store
from kdcore.store.run_files.labels import Label

RECIPE = recipes.from_plain({"name": "quick", "student": {"model": "resnet20"}})


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))
    return Store(tmp_path / "runs")


@pytest.fixture
def ids(store):
    made = {20: "20260101-000000-quick-0000", 30: "20260101-000001-quick-0001"}
    for epochs, run_id in made.items():
        store.create(recipes.with_values(RECIPE, {"epochs": epochs}), run_id)
    return list(made.values())


def printed(capsys, *arguments, code=0):
    assert main(list(arguments)) == code
    found = capsys.readouterr()
    return found.out + found.err


def test_a_run_is_named_tagged_pinned_and_back(store, ids, capsys):
    out = printed(
        capsys,
        "runs",
        "edit",
        ids[0],
        "--name",
        "the good one",
        "--tag",
        "talk",
        "--tag",
        "week 1",
        "--note",
        "x",
        "--pin",
    )
    assert out == f"{ids[0]}: name the good one, tags talk, week 1, a note, pinned\n"
    assert store.state(ids[0]).label == Label("the good one", ("talk", "week 1"), "x", pinned=True)
    out = printed(capsys, "runs", "edit", ids[0], "--name", "", "--untag", "talk", "--note", "", "--unpin")
    assert out == f"{ids[0]}: tags week 1\n"
    assert printed(capsys, "runs", "edit", ids[0], "--untag", "week 1").endswith(": nothing\n")
    assert store.state(ids[0]).name == "quick"


def test_the_list_has_names_and_finds_words_tags_and_statuses(ids, capsys):
    printed(capsys, "runs", "edit", *ids, "--tag", "talk", "--tag", "all")
    printed(capsys, "runs", "edit", ids[0], "--archive")
    assert ids[0] not in printed(capsys, "runs")
    both = printed(capsys, "runs", "list", "--archived")
    assert "epochs 20 " in both
    assert "epochs 30 " in both
    found = json.loads(printed(capsys, "runs", "list", "--find", "epochs=20", "--tag", "talk", "--archived", "--json"))
    assert [(run["id"], run["tags"], run["archived"]) for run in found] == [(ids[0], ["talk", "all"], True)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["edit", "ID"], "Nothing to change: give --name, --note, --tag, --untag, --pin or --archive."),
        (["edit", "ID", "ID2", "--name", "x"], "--name is for one run, not for 2: they could not be told apart."),
        (["edit", "ID", "none", "--tag", "x"], "There is no run 'none'"),
        (["edit", "ID", "--name", "n" * 81], "The name has 81 characters; at most 80 are allowed. Shorten it."),
        (["list", "--status", "finishd"], "No run has the status 'finishd'; the runs here are "),
    ],
)
def test_what_cannot_be_done_is_said(store, ids, capsys, arguments, words):
    arguments = [{"ID": ids[0], "ID2": ids[1]}.get(each, each) for each in arguments]
    assert words in printed(capsys, "runs", *arguments, code=1)
    assert store.state(ids[0]).label == Label()


def test_an_empty_list_says_what_to_do(ids, capsys):
    found = printed(capsys, "runs", "list", "--find", "zzz")
    assert found.startswith("None of ")
    assert found.endswith(" runs matches. Leave out options, or add --archived.\n")
