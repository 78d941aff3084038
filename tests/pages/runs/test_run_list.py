"""The list of runs: search, filters, order, groups and pages, all of which are in the address."""

import itertools
import json

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from pages.parts.runs import table


@pytest.fixture(autouse=True)
def _one_a_minute(runner, monkeypatch):
    """Ids sort by time; runs of one second would be in any order."""
    numbers = itertools.count()
    monkeypatch.setattr(runner.store, "new_id", lambda recipe: f"20260101-00{next(numbers):02}00-run-0000")


@pytest.fixture
def runs(make_run, runner):
    """Two runs of one name that differ in their labels, a failed one, and an archived one."""
    made = {
        "few": make_run(labels=100), "many": make_run(labels=200), "bad": make_run("failed", name="bad"), "old": make_run(name="old"),
    }  # fmt: skip
    runner.store.edit_label(made["old"], archived=True)
    runner.store.edit_label(made["few"], tags=["talk"], note="Looks at the tip")
    return made


def listed(test):
    return list(test.dataframe[0].value["Run"])


def said(test):
    return "\n".join(each.value for each in [*test.caption, *test.info, *test.markdown])


def test_equal_names_are_told_apart_by_what_differs_and_archived_runs_are_hidden(open_page, runs):
    test = open_page("runs.py")
    assert listed(test) == ["bad", "quick, labels 200", "quick, labels 100"]
    assert "3 of 4 runs" in said(test)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ({"q": "labels=100"}, ["quick, labels 100"]),
        ({"q": "TIP looks"}, ["quick, labels 100"]),
        ({"tag": "talk"}, ["quick, labels 100"]),
        ({"status": "Failed"}, ["bad"]),
        ({"status": ["Failed", "Finished"], "q": "bad"}, ["bad"]),
        ({"archived": "Only these"}, ["old (archived)"]),
        ({"order": "Oldest first"}, ["quick, labels 100", "quick, labels 200", "bad"]),
        ({"order": "Name"}, ["bad", "quick, labels 100", "quick, labels 200"]),
        ({"term": "kd", "student": "tiny", "teacher": "cues-teacher", "dataset": "cues"}, 3),
        ({"since": "2020-01-01", "until": "2020-01-02"}, []),
    ],
)
def test_search_filters_and_order_are_in_the_address(open_page, runs, address, found):
    test = open_page("runs.py", **address)
    assert not test.exception
    assert (listed(test) if test.dataframe else []) == found if isinstance(found, list) else len(listed(test)) == found


def test_nothing_found_says_what_was_looked_for_and_shows_all_again(open_page, runs):
    test = open_page("runs.py", q="no such *run*", status="Failed", run=runs["few"])
    assert test.info[0].value == r"No run matches “no such \*run\*”, status failed."
    assert test.subheader[0].value == "quick"  # what is selected stays
    test.button(key="clear-filters").click().run()
    assert len(listed(test)) == 3
    assert "q" not in test.query_params
    assert "status" not in test.query_params


def test_where_all_runs_are_archived_they_are_offered(open_page, make_run, runner):
    runner.store.edit_label(make_run(name="old"), archived=True)
    test = open_page("runs.py")
    assert test.info[0].value == "All 1 runs are archived."
    test.button(key="show-archived").click().run()
    assert listed(test) == ["old (archived)"]


def test_pinned_runs_are_first_in_every_order(open_page, runs, runner):
    runner.store.edit_label(runs["few"], pinned=True)
    for order in ("Newest first", "Name"):
        assert listed(open_page("runs.py", order=order))[0] == "📌 quick, labels 100"


def test_groups_have_plain_means_and_are_opened_by_their_address(open_page, make_run):
    for seed in range(3):
        make_run(name="s: one", seed=seed)
    make_run(name="other")
    test = open_page("runs.py", group="Study")
    rows = test.dataframe[0].value.set_index("Group")
    assert list(rows.index) == ["Runs of no study", "s"]
    assert (rows.loc["s", "Runs"], rows.loc["s", "Finished"], rows.loc["s", "Student"]) == (3, 3, 62.0)
    key = next(group for group in groups_of(test) if group.name == "s").key
    opened = open_page("runs.py", group="Study", **{"in": key})
    assert len(listed(opened)) == 3
    assert "**s**" in said(opened)
    opened.button(key="all-groups").click().run()
    assert "Group" in opened.dataframe[0].value


def groups_of(test):
    from hashlib import sha256
    from types import SimpleNamespace

    return [
        SimpleNamespace(name=name, key=sha256(name.encode()).hexdigest()[:12])
        for name in test.dataframe[0].value["Group"]
    ]


def test_seeds_of_one_recipe_are_a_group(open_page, make_run):
    for seed in range(2):
        make_run(name=f"s: one, seed {seed}", seed=seed)
    make_run(name="other", labels=100)
    rows = open_page("runs.py", group="Recipe").dataframe[0].value
    assert dict(zip(rows["Group"], rows["Runs"], strict=True)) == {"other": 1, "s: one": 2}


def test_settings_that_differ_are_columns_of_what_is_selected(open_page, runs):
    assert "Labels" not in open_page("runs.py").dataframe[0].value
    chosen = open_page("runs.py", run=[runs["few"], runs["many"]]).dataframe[0].value.set_index("Run")
    assert chosen.loc["quick, labels 100", "Labels"] == "100"
    assert chosen.loc["quick, labels 200", "Labels"] == "200"


def test_all_runs_of_a_list_are_selected_and_none(open_page, runs):
    test = open_page("runs.py", q="quick")
    test.button(key="select-all").click().run()
    assert set(test.query_params["run"]) == {runs["few"], runs["many"]}
    assert "2 runs compared" in [each.value for each in test.subheader]
    test.button(key="select-none").click().run()
    assert "run" not in test.query_params


def ticked(test, *rows):
    """The page after a visitor has ticked these rows of the table, and no others."""
    sent = test._tree.get_widget_states()
    chosen = {"selection": {"rows": rows, "columns": [], "cells": []}}
    sent.widgets.append(WidgetState(id=test.dataframe[0].proto.id, string_value=json.dumps(chosen)))
    return test._run(sent)


def test_rows_that_are_ticked_are_the_runs_in_the_address_and_below_the_table(open_page, runs):
    test = ticked(open_page("runs.py", q="quick"), 1)
    assert listed(test) == ["quick, labels 200", "quick, labels 100"]
    assert test.query_params["run"] == runs["few"]
    assert "2 of 4 runs, 1 selected" in said(test)
    test = ticked(test, 1, 0)
    assert sorted(test.query_params["run"]) == sorted([runs["many"], runs["few"]])
    assert "2 runs compared" in [each.value for each in test.subheader]
    test = ticked(test)
    assert "run" not in test.query_params
    assert not test.subheader


def test_ticking_a_row_keeps_what_is_selected_on_other_pages_of_the_list(open_page, runs, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 2)
    test = ticked(open_page("runs.py", page="2", run=runs["bad"]), 0)
    assert test.query_params["run"] == [runs["bad"], runs["few"]]


def test_more_runs_than_a_link_holds_are_not_selected(open_page, runs, monkeypatch):
    monkeypatch.setattr(table, "MOST_SELECTED", 1)
    test = ticked(open_page("runs.py", run=runs["few"]), 0, 2)
    assert "At most 1 runs can be selected at once; 2 were chosen." in [each.value for each in test.warning]
    assert test.query_params["run"] == runs["few"]


def test_long_lists_have_pages_and_what_is_selected_elsewhere_stays(open_page, runs, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 2)
    test = open_page("runs.py", page="2", run=runs["bad"])
    assert listed(test) == ["quick, labels 100"]
    assert "3 of 4 runs, 1 selected" in said(test)
    assert test.subheader[0].value == "bad"


def test_markup_in_names_tags_and_notes_is_text(open_page, make_run, runner):
    run_id = make_run(name="**bold** <b>")
    runner.store.edit_label(run_id, name="[x](http://evil.example)", tags=["**tag**"], note="# not a title\n<script>")
    test = open_page("runs.py", run=run_id, q="evil")
    assert not test.exception
    assert test.subheader[0].value.startswith(r"\[x\](http")
    assert r"\# not a title" in said(test)
    assert "<script>" not in said(test).replace("\\<script>", "")


def test_thousands_of_runs_are_read_with_progress_and_once(runner, make_run):
    for _ in range(3):
        make_run()
    assert list(runner.store.read_all(seconds=0)) == [(1, 3), (2, 3), (3, 3)]
    assert list(runner.store.read_all(seconds=0)) == []


def test_the_benchmark_makes_runs_that_can_be_read(tmp_path):
    from benchmarks.run_list import make
    from kdcore.store import Store

    make(tmp_path, 7)
    states = Store(tmp_path).states()
    assert [state.status for state in states].count("finished") == 6
    assert not any(state.damage for state in states)


def test_the_checkboxes_follow_an_address_that_changes(open_page, runs):
    """As the presenter's does, or Back: what the table remembers must not win."""
    test = open_page("runs.py", run=runs["few"])
    test.query_params["run"] = [runs["few"], runs["bad"]]
    test.run()
    assert "2 runs compared" in [each.value for each in test.subheader]
    assert test.query_params["run"] == [runs["few"], runs["bad"]]


def test_a_new_name_and_tag_are_listed_at_once(open_page, runs, runner):
    test = open_page("runs.py")
    runner.store.edit_label(runs["bad"], name="renamed", tags=["new"])
    assert listed(test.run())[0] == "renamed"
    assert "new" in next(each for each in test.multiselect if each.label == "Tag").options


@pytest.mark.parametrize(
    "key, heading", [("seeds", "Seed"), ("epochs", "Epochs"), ("terms.kd.temperature", "kd temperature")]
)
def test_the_heading_of_a_setting_begins_with_a_capital_but_for_the_name_of_a_term(key, heading):
    assert table._heading(key) == heading


@pytest.mark.parametrize("most, columns", [(2, ["data.labels"]), (1, [])])
def test_settings_have_columns_for_as_many_runs_as_can_be_selected(make_run, runner, monkeypatch, most, columns):
    for labels in (100, 200):
        make_run(labels=labels)
    monkeypatch.setattr(table, "MOST_SELECTED", most)
    assert table._columns(runner.store.states(), []) == columns


def test_a_run_that_has_not_begun_has_no_share(make_run, runner):
    make_run("queued")
    assert [row["Status"] for row in table.rows(runner.store.states())] == ["Queued"]
