"""The page Runs: the table, one run, several compared, and what can be done with them."""

import pytest
from streamlit.testing.v1 import AppTest

from kdcore.events import CheckpointSaved
from pages.parts.attention import networks


def button(test: AppTest, label: str):
    (found,) = [b for b in test.button if b.label == label]
    return found


def subheaders(test: AppTest) -> list[str]:
    return [element.value for element in test.subheader]


def said(test: AppTest) -> str:
    return "\n".join(element.value for element in [*test.subheader, *test.markdown, *test.caption])


def charts(test: AppTest) -> int:
    """The components in the page, without those of the frame around it."""
    return len([each for each in test.main.get("bidi_component") if "replay" in each.proto.id or "compared" in each.proto.id or "run-maps" in each.proto.id])  # fmt: skip


def test_without_runs_it_leads_to_training(open_page):
    test = open_page("runs.py")
    assert "No runs yet" in test.info[0].value
    assert not test.dataframe


def test_the_table_says_status_and_result(open_page, make_run):
    make_run("finished", name="good")
    make_run("failed", name="bad")
    table = open_page("runs.py").dataframe[0].value.set_index("Run")
    assert table.loc["good", "Status"] == "Finished"
    assert table.loc["good", "Student"] == 62.0
    assert table.loc["good", "Difference"] == "+20.0  (+16.3 to +23.7)"
    assert table.loc["bad", "Status"] == "Failed, 45 %"
    assert table.loc["bad", "Difference"] == ""


@pytest.mark.parametrize("page", ["runs.py", "train.py"])
def test_a_run_that_has_ended_leads_to_its_networks_on_a_photo(open_page, make_run, runner, page):
    ended, without, training = make_run(), make_run(), make_run("running")
    with runner.store.writer(ended) as writer:
        writer.append(CheckpointSaved(step=1, epoch=0.5, file="checkpoints/00000001.safetensors"))
    (folder := runner.store.folder(ended) / "checkpoints").mkdir(exist_ok=True)
    (folder / "00000001.safetensors").write_bytes(b"x")
    for run_id, there in ((ended, True), (without, False), (training, False)):
        labels = [each.label for each in open_page(page, run=run_id).button]
        assert ("Compare on a photo" in labels) == there
    assert networks.trio_title(ended) == f"Run {ended}"


def test_an_address_chooses_a_run(open_page, make_run):
    make_run(name="other")
    test = open_page("runs.py", run=make_run(name="mine"))
    assert not test.exception
    assert subheaders(test)[0] == "mine"
    assert charts(test) == 1


def test_several_runs_are_compared(open_page, make_run):
    test = open_page("runs.py", run=[make_run(name="one"), make_run(name="two")])
    assert not test.exception
    assert subheaders(test) == ["2 runs compared", "Where the networks look", "Results", "What differs"]
    assert charts(test) == 2  # curves and maps


def test_seeds_of_one_recipe_are_offered_and_summed_up(open_page, make_run):
    alone, first = make_run(name="alone", labels=100), make_run(seed=0)
    make_run(seed=1, difference=(0.1, 0, 0.2))
    test = open_page("runs.py", run=first)
    assert "One seed:" in said(test)
    button(test, "Compare its 2 seeds").click().run()
    assert subheaders(test)[0] == "2 runs compared"
    assert "+15.0 percentage points: no conclusion, 2 seeds are too few (3 are needed)." in said(test)
    assert "Mean of 2 seeds" in said(test)
    assert not [b for b in open_page("runs.py", run=alone).button if b.label.startswith("Compare its")]


def test_groups_of_seeds_are_corrected_for_their_number(open_page, make_run):
    runs = [make_run(labels=labels, seed=seed, difference=(0.15 + seed / 100, 0, 0.2)) for labels in (100, 200) for seed in range(3)]  # fmt: skip
    one, both = said(open_page("runs.py", run=runs[:3])), said(open_page("runs.py", run=runs))
    assert "(95 % interval" in one
    assert "the student is better than its twin." in one
    assert "(97.5 % interval" in both
    assert "2 comparisons, with wider intervals (Holm's correction)" in both


def test_comparisons_without_a_conclusion_have_no_word_on_their_intervals(open_page, make_run):
    pairs = [[make_run(labels=labels, knobs=knobs) for labels in (100, 200)] for knobs in ({}, {"weight/kd": 2.0})]
    concluded, changed = (said(open_page("runs.py", run=pair)) for pair in pairs)
    assert "Student − twin: 2 comparisons, with wider intervals" in concluded
    assert "2 comparisons" not in changed


def test_faults_of_compared_seeds_are_named(open_page, make_run):
    runs = [make_run(seed=0), make_run(seed=1, knobs={"weight/kd": 2.0})]
    (warning,) = open_page("runs.py", run=runs).warning
    assert "changed during the run (seed 1)" in warning.value
    assert "Select one run" in warning.value
    assert not open_page("runs.py", run=[runs[0], make_run(seed=2)]).warning


def test_a_run_that_is_named_twice_in_the_address_counts_once(open_page, make_run):
    run_id = make_run()
    test = open_page("runs.py", run=[run_id, run_id])
    assert not test.exception
    assert "Mean of" not in said(test)


def test_several_recipes_are_not_summed_up(open_page, make_run):
    test = open_page("runs.py", run=[make_run(labels=100), make_run(labels=200)])
    assert "Mean of" not in said(test)


def test_a_run_whose_recipe_is_of_another_version_is_said_and_can_be_deleted(open_page, runner, make_run):
    run_id = make_run()
    (runner.store.folder(run_id) / "recipe.yaml").write_text("studdent: {model: tiny}")
    test = open_page("runs.py", run=run_id)
    assert not test.exception
    assert "`studdent` is not a known key" in test.error[0].value
    assert button(test, "Delete")


def test_a_setting_of_a_run_can_be_varied(open_page, make_run):
    run_id = make_run()
    test = open_page("runs.py", run=run_id)
    button(test, "Sweep a setting").click().run()
    assert not test.exception
    assert test.query_params["like"] == run_id


def test_an_address_of_a_run_that_is_gone_shows_the_table(open_page, make_run):
    make_run()
    test = open_page("runs.py", run="20200101-000000-gone-0000")
    assert not test.exception
    assert "Select a run" in said(test)


def test_a_failed_run_shows_why_and_is_resumed(open_page, runner, make_run):
    run_id = make_run("failed")
    test = open_page("runs.py", run=run_id)
    assert test.error[0].value.startswith("The loss is not finite at step 10.")
    assert next(code.value for code in test.code).startswith("Traceback")
    assert test.warning[0].value == "The teacher's weights are random."
    button(test, "Resume").click().run()
    assert runner.told == [("resume", run_id)]


def test_what_the_runner_refuses_is_said(open_page, runner, make_run):
    test = open_page("runs.py", run=make_run("interrupted"))
    runner.refusal = "Run x is being written by another process; stop it there first."
    button(test, "Resume").click().run()
    assert runner.refusal in [error.value for error in test.error]


def test_metrics_and_recipe_can_be_downloaded(open_page, make_run):
    test = open_page("runs.py", run=make_run())
    offered = [b.label for b in test.get("download_button")]
    as_files = ["Report (one HTML page)", "Folder (ZIP)"]
    assert offered == ["Metrics (CSV)", "Metrics (Parquet)", "Results (LaTeX)", "Recipe (YAML)", *as_files]
    test = open_page("runs.py", run=make_run("stopped"))  # without results
    assert [b.label for b in test.get("download_button")] == [
        "Metrics (CSV)",
        "Metrics (Parquet)",
        "Recipe (YAML)",
        *as_files,
    ]


def test_deleting_asks_first(open_page, runner, make_run):
    run_id = make_run(name="mine")
    test = open_page("runs.py", run=run_id)
    button(test, "Delete").click().run()
    assert f"**mine**  \n:gray[{run_id}]" in [element.value for element in test.markdown]
    assert runner.store.ids() == [run_id]


def test_a_run_that_is_not_over_cannot_be_deleted(open_page, make_run):
    assert button(open_page("runs.py", run=make_run("running")), "Delete").disabled


def test_a_run_that_trains_here_can_be_stopped(open_page, runner, make_run):
    run_id = make_run("running")
    runner.busy = (run_id,)
    test = open_page("runs.py", run=run_id)
    button(test, "Stop the run").click().run()
    assert runner.told == [("stop", run_id)]
