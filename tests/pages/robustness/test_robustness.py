"""The Robustness page over a made-up engine: what it opens with, compares, computes, and refuses."""

import re
from dataclasses import replace

import pytest

from kdcore import inspection
from kdcore.errors import NotAllowed, OverQuota
from pages.parts import engine
from pages.parts.robustness import evaluation, measured
from pages.parts.robustness.chosen import Chosen, of_family
from pages.parts.robustness.evaluation import Running
from pages.parts.roles import role

from .made_up import FULL, QUICK, SETS, TRIO, row

CARDS = {card.name: card for card in SETS}
ROLES = Chosen({role.capitalize(): reference for role, reference in TRIO.items()}, TRIO)


def text(at) -> str:
    assert not at.exception, at.exception[0]
    return "\n".join(each.value for each in (*at.markdown, *at.caption, *at.info, *at.warning))


def labels(at) -> list[str]:
    return [button.label for button in at.button]


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def computed(made) -> list[tuple]:
    return [call for call in made.asked if call[0] == "assess"]


def test_a_first_visit_sees_results_without_a_click(open_page, made, drawn):
    at = open_page("robustness.py")
    text(at)
    assert computed(made) == [("assess", tuple(QUICK), 200)]
    shown = drawn["dumbbell"]
    assert [group["title"] for group in shown["groups"]] == ["Without perturbation", "Noise", "Structure", "Frequency"]
    titles = [each["title"] for group in shown["groups"] for each in group["rows"]]
    assert titles == ["Test images as they are", "Noise on the whole image", "Scrambled patches", "Low-pass"]
    names = [network["name"] for network in shown["networks"]]
    assert names == ["Teacher", "Student", "Twin"]
    assert [network["colour"] for network in shown["networks"]] == [f"var(--st-{c}-color)" for c in ("violet", "primary", "orange")]  # fmt: skip
    assert shown["bar"] == ["cues-student", "cues-twin"]


def test_kept_results_are_shown_and_nothing_is_computed_anew(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py")
    assert "**Accuracy.** What accuracy means." in text(at)
    assert computed(made) == []
    at = open_page("robustness.py", measure="Consistency")
    assert "**Consistency.** What consistency means." in text(at)


def test_a_row_has_its_difference_its_transfer_and_what_was_inherited(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    open_page("robustness.py")
    rows = {each["id"]: each for group in drawn["dumbbell"]["groups"] for each in group["rows"]}
    scrambled, low_pass = rows["patch_scramble@4"], rows["low_pass@4"]
    assert (scrambled["gap"], scrambled["claimed"]) == ("+5.0 (+3.0 to +7.0)", True)
    assert (rows["global_noise@0.2"]["gap"], rows["global_noise@0.2"]["claimed"]) == ("+1.0 (\u22121.0 to +3.0)", False)
    assert [note["text"] for note in scrambled["notes"]] == ["transfer 62 % (40 to 85)"]
    assert [note["text"] for note in low_pass["notes"]] == ["over-distilled"]
    assert low_pass["notes"][0]["meaning"].startswith("The student inherits what hurts")
    assert scrambled["label"].startswith("Scrambled patches, unit of patch_scramble: 4. Accuracy: the teacher 40.0 % (35.0 to 48.0)")  # fmt: skip
    assert scrambled["label"].endswith("The student stands at 62 %.")


def test_each_claim_is_a_sentence_with_its_interval():
    claimed = [
        replace(
            row("accuracy", "patch_scramble@4", list(TRIO.values()), TRIO),
            kind="passes on",
            transfer_sentence="Accuracy passes on: +5.0 (+3.0 to +7.0).",
        )
    ]
    others = [
        replace(row("accuracy", "low_pass@4", list(TRIO.values()), TRIO), kind=kind, transfer_sentence="Nothing.")
        for kind in ("not shown", "no gap", "refused", "")
    ]
    assert measured.claims([*others, *claimed]) == ["Accuracy passes on: +5.0 (+3.0 to +7.0)."]


def test_every_strength_is_shown_on_demand(open_page, made, drawn):
    made.kept_ones = list(FULL)
    at = open_page("robustness.py")
    assert sum(len(group["rows"]) for group in drawn["dumbbell"]["groups"]) == 4
    at.toggle[0].set_value(True).run()
    assert sum(len(group["rows"]) for group in drawn["dumbbell"]["groups"]) == len(FULL)


def test_a_run_that_does_not_exist_is_named_and_one_that_does_opens(open_page, make_run, made, drawn):
    made.run = make_run()
    at = open_page("robustness.py", run="nope *x*")
    assert "There is no run 'nope \\*x\\*'. It may have been deleted. Other networks are shown." in text(at)
    at = open_page("robustness.py", run=made.run)
    text(at)
    assert at.selectbox(key="networks").value == f"quick ({made.run[:15]} {made.run[-4:]})"
    assert "run" not in at.query_params


def test_an_address_of_networks_that_are_gone_is_named_until_others_are_chosen(open_page, made, drawn):
    at = open_page("robustness.py", networks="mine (20261129-185856 2c8e)")
    words = "There are no networks 'mine (20261129-185856 2c8e)'. Their run may have been deleted or renamed."
    assert words in text(at).replace("\\", "")
    assert words in text(at.run()).replace("\\", "")
    at.selectbox(key="networks").select("Choose one by one").run()
    assert "There are no networks" not in text(at)
    assert "There are no networks" not in text(open_page("robustness.py", networks="Cues"))


def test_networks_whose_run_is_deleted_meanwhile_are_named(open_page, make_run, made, drawn):
    made.run = make_run()
    at = open_page("robustness.py", run=made.run)
    label = at.selectbox(key="networks").value
    made.run = ""
    assert f"There are no networks '{label}'" in text(at.run()).replace("\\", "")
    assert at.selectbox(key="networks").value == "Cues"


def test_networks_that_cannot_be_built_here_are_named_with_the_reason(open_page, made, drawn, monkeypatch):
    missing = "The run uses plugins that are not loaded: the network 'my_net'."
    left = [inspection.LeftOut(f"own {place}", f"2026112{place}-120000-own", missing) for place in range(4)]
    monkeypatch.setattr(
        inspection, "left_out", lambda store: [*left, inspection.LeftOut("file", "", "It is of a gone.")]
    )
    at = open_page("robustness.py")
    assert (
        "Networks not offered: own 0 (20261120-120000), own 1 (20261121-120000), own 2 (20261122-120000) and 1 more. The run uses"
    ) in text(at)
    assert "Networks not offered: file. It is of a gone." in text(at)


def test_networks_that_do_not_fit_together_are_refused_in_words(open_page, made, drawn):
    made.why_not = "cues-teacher and x cannot be evaluated on the same images: sizes differ."
    assert made.why_not in text(open_page("robustness.py"))
    assert made.asked == []


def test_networks_chosen_one_by_one_have_no_transfer(open_page, make_run, made, drawn):
    made.run = make_run()
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", networks="Choose one by one")
    text(at)
    box = at.multiselect[0]
    box.set_value(["cues-student", f"run:{made.run}/student"]).run()
    shown = drawn["dumbbell"]
    assert [each["name"] for each in shown["networks"]] == [
        "Cues student",
        f"student of quick ({made.run[:15]} {made.run[-4:]})",
    ]
    assert shown["last"] == "First \u2212 second, percentage points"
    at.multiselect[0].set_value(["cues-student"]).run()
    assert "Choose at least two networks to compare." in text(at)


@pytest.mark.parametrize("section, words", [
    ("Images", "1 to 2 of 8 images that match, of 200 looked through"),
    ("Layers", "500 test images."),
    ("Numbers", "Over-distilled: the student inherits what hurts"),
    ("Strength", "Accuracy on a sample of 100 test images"),
    ("Heatmaps", "1: it looks at the same places"),
])  # fmt: skip
def test_each_section_opens_from_its_address(open_page, made, drawn, section, words):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", show=section, set="Low-pass")
    assert words in text(at)
    assert at.selectbox(key="set").value == "low_pass"


def test_images_that_only_one_network_gets_right(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", show="Images", set="Low-pass")
    card = drawn["robustness_cards"]["cards"][1]
    assert [each["who"] for each in card["pictures"]] == ["Original", "Perturbed"]
    assert card["apart"] == "texture of ring"
    assert [each["heading"] for each in card["networks"]] == ["Teacher", "Student", "Twin"]
    at.selectbox(key="which").set_value("Only the student is right").run()
    _, condition, asked = made.asked[-1]
    assert (condition, asked["which"], asked["this"], asked["page"]) == ("low_pass@4", "only this one right", "cues-student", 0)  # fmt: skip
    press(at, "Next")
    assert "7 to 8 of 8 images" in text(at)
    at.selectbox(key="which").set_value("All images").run()
    assert "1 to 2 of 8 images" in text(at)


def test_a_strength_between_the_listed_ones_is_answered_on_a_sample(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", set="Low-pass", strength="6")
    text(at)
    assert made.asked[0] == ("live", "low_pass@6", 100)
    metrics = {each.label: (each.value, each.delta) for each in at.metric}
    assert metrics[":primary[Student]"] == ("60 %", "\u221230")


def test_the_strengths_beside_the_chosen_one_are_computed_ahead_the_nearest_first(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    text(open_page("robustness.py", set="Low-pass", strength="6"))
    assert made.ahead[:4] == ["low_pass@5", "low_pass@7", "low_pass@4", "low_pass@8"]
    assert "low_pass@6" not in made.ahead


def test_nothing_is_computed_ahead_for_a_visitor(open_page, made, drawn, visiting):
    made.kept_ones = list(QUICK)
    text(open_page("robustness.py", set="Low-pass", strength="6"))
    assert made.ahead == []


def test_the_row_of_the_chosen_set_is_marked_in_the_chart(open_page, made, drawn):
    made.kept_ones = list(FULL)
    at = open_page("robustness.py", set="Low-pass", strength="6")
    assert drawn["dumbbell"]["chosen"] == "low_pass@4"  # the row that the set has
    at.selectbox(key="set").set_value("patch_scramble").run()
    assert drawn["dumbbell"]["chosen"] == "patch_scramble@4"
    at.toggle[0].set_value(True).run()
    at.select_slider(key="strength").set_value("patch_scramble@2").run()
    assert drawn["dumbbell"]["chosen"] == "patch_scramble@2"


def test_the_similarity_of_layers_is_a_matrix(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", show="Layers").run()
    text(at)
    shown = drawn["layer_matrix"]
    assert shown["values"] == [[0.9, None], [0.2, 0.5]]
    assert (shown["rows"]["name"], shown["columns"]["name"]) == ("the student", "the teacher")


def test_heatmaps_are_compared_when_asked_for(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", show="Heatmaps")
    assert "robustness_heatmaps" not in drawn
    press(at, "Compare heatmaps on 40 images").run()
    rows = drawn["robustness_heatmaps"]["groups"][0]["rows"]
    assert [each["title"] for each in rows] == ["Noise on the whole image", "Scrambled patches", "Low-pass"]
    assert rows[0]["gap"] == "0.40"


def test_a_visitor_sees_no_control_of_the_full_evaluation_and_the_engine_refuses_it(open_page, made, drawn, request):
    made.kept_ones = list(QUICK)
    at = open_page("robustness.py", show="Images")
    assert {"Evaluate on all test sets", "Evaluate on all corruptions"} <= set(labels(at))
    assert "PNG files (ZIP)" in [each.proto.label for each in at.get("download_button")]
    request.getfixturevalue("visiting")
    at = open_page("robustness.py", show="Images")
    text(at)
    assert not [each for each in labels(at) if each.startswith("Evaluate")]
    assert "PNG files (ZIP)" not in [each.proto.label for each in at.get("download_button")]
    with pytest.raises(NotAllowed, match="Only the operator can evaluate networks on all test sets"):
        engine.full_evaluation(ROLES.references, corruptions=False)


def test_the_operators_evaluation_is_not_carried_on_by_a_visitor(made, request):
    steps = engine.full_evaluation(ROLES.references, corruptions=False)
    next(steps)
    request.getfixturevalue("visiting")
    with pytest.raises(NotAllowed, match="Only the operator can evaluate networks on all test sets"):
        next(steps)


def test_a_visitors_quick_evaluation_is_small(made, visiting, monkeypatch):
    monkeypatch.setattr(engine, "bundled", lambda: dict.fromkeys(TRIO.values()))
    list(engine.quick_evaluation(ROLES.references, images=None))
    assert computed(made)[0][2] == engine.robustness.VISITORS_IMAGES == 200


def test_an_evaluation_stops_at_once_and_continues(made, monkeypatch):
    monkeypatch.setattr(Running, "may_step", True)
    running = Running()
    running.start(lambda: iter(range(100)))
    running.advance(seconds=0.0)
    assert running.found is None
    running.start(lambda: pytest.fail("a second window started it again"))
    running.stop()
    running.advance()
    assert (running.found, running.going, running.done) == (None, False, False)
    running.start(lambda: iter(range(3)))
    running.advance()
    assert (running.found, running.going, running.done) == (2, False, True)


def test_a_visit_stops_its_own_evaluation_and_no_other(monkeypatch):
    """Also by a button that was drawn for an evaluation before."""
    visit = ["one"]
    monkeypatch.setattr(role, "visit", lambda: visit[0])
    monkeypatch.setattr(role, "is_operator", lambda: False)
    running = Running()
    running.start(lambda: iter(range(100)))
    visit[0] = "two"
    with pytest.raises(NotAllowed, match="Only the operator, or the window that started it, can stop this evaluation"):
        running.stop()
    assert running.going
    visit[0] = "one"
    running.stop()
    assert not running.going


class Refusing:
    """Steps that are refused to a visit whose quota is used, and go on afterwards."""

    def __init__(self, refused: set[str]) -> None:
        self.refused, self.left = refused, iter(range(3))

    def __next__(self) -> int:
        if role.visit() in self.refused:
            raise OverQuota("Visitors have 20 seconds of computing a minute")
        return next(self.left)


def test_a_visit_whose_quota_is_used_waits_while_others_go_on(monkeypatch):
    visit, refused = ["one"], {"one"}
    monkeypatch.setattr(role, "visit", lambda: visit[0])
    running = Running()
    running.start(lambda: Refusing(refused))
    running.advance()
    assert (running.going, running.found, running.trouble) == (True, None, "")
    assert "20 seconds of computing a minute" in running.waiting
    visit[0] = "other"
    assert running.waiting == ""
    running.advance()
    assert (running.done, running.found) == (True, 2)


def test_a_visit_that_waited_goes_on_when_its_quota_is_free_again(monkeypatch):
    refused = {"one"}
    monkeypatch.setattr(role, "visit", lambda: "one")
    running = Running()
    running.start(lambda: Refusing(refused))
    running.advance()
    refused.clear()
    running.advance()
    assert (running.done, running.found, running.waiting) == (True, 2, "")


def test_a_visitor_stops_only_what_this_visit_started(monkeypatch, visiting):
    visit = ["one"]
    monkeypatch.setattr(role, "visit", lambda: visit[0])
    running = Running()
    running.start(lambda: iter(range(3)))
    assert running.may_stop
    visit[0] = "other"
    assert not running.may_stop
    monkeypatch.setattr(role, "is_operator", lambda: True)
    assert running.may_stop


def test_who_is_no_operator_any_more_does_not_stop_the_full_evaluation(monkeypatch, visiting):
    monkeypatch.setattr(role, "visit", lambda: "one")
    running = Running()
    running.start(lambda: iter(range(3)), operators=True)
    assert not running.may_stop


def test_two_windows_share_one_evaluation(open_page, made, drawn):
    made.kept_ones = list(QUICK)
    open_page("robustness.py")
    press(open_page("robustness.py"), "Evaluate on all test sets").run()
    other = open_page("robustness.py")
    text(other)
    assert len(computed(made)) == 1
    assert "Evaluate on all test sets" not in labels(other)
    assert other.toggle[0].label == f"Every strength ({len(FULL)} rows instead of 4)"


def test_the_value_of_a_measure_in_words():
    assert measured.in_words((0.612, 0.584, 0.639), "share") == "61.2 % (58.4 to 63.9)"
    assert measured.in_words((-0.5, -0.6, -0.4), "") == "\u22120.50 (\u22120.60 to \u22120.40)"
    assert measured.in_words((float("nan"),) * 3, "nats") == "not defined"
    assert measured.signed(-0.04, 1) == "0.0"


def test_a_row_without_values_says_why():
    lost = row("accuracy", "low_pass@4", ("a", "b"), {})
    lost = type(lost)(**{**vars(lost), "values": {}, "undefined": {"a": "chance", "b": "chance"}, "difference": None})
    shown = measured.chart_row(lost, Chosen({"A": "a", "B": "b"}, {}), CARDS)
    assert (shown.none, shown.gap) == ("Not defined: chance", "")


@pytest.mark.parametrize(
    ("chosen", "pair", "title"),
    [
        (of_family("", {"teacher": "t", "student": "s", "twin": "w"}), ("s", "w"), "Student − twin"),
        (of_family("", {"teacher": "t", "student": "s"}), ("t", "s"), "Teacher − student"),
        (Chosen({"A": "a", "B": "b", "C": "c"}, {}), ("a", "b"), "First − second"),
        (Chosen({"A": "a"}, {}), None, ""),
    ],
)
def test_a_difference_names_the_two_that_it_is_of(chosen, pair, title):
    assert (chosen.compared, chosen.difference) == (pair, title)


def test_networks_are_drawn_in_their_colours():
    chosen = of_family("", {"teacher": "t", "student": "s"})
    assert re.fullmatch(r"var\(--st-violet-color\)", chosen.drawn()[0].colour)


def test_a_page_without_an_evaluation_is_drawn_anew_when_another_window_starts_one(open_page, made, drawn, monkeypatch):
    made.kept_ones = list(QUICK)
    watched = []
    monkeypatch.setattr(
        evaluation, "refreshing", lambda draw, active, seconds: lambda *given: watched.append((draw, given))
    )
    open_page("robustness.py", show="Heatmaps")
    reruns = []
    monkeypatch.setattr(evaluation.st, "rerun", lambda: reruns.append(1))
    assert len(watched) == 2  # the evaluation, and the comparison of heatmaps
    for number, (look, (running, seen)) in enumerate(watched):
        look(running, seen)
        assert len(reruns) == number
        running.start(lambda: iter([]))
        look(running, seen)
        assert len(reruns) == number + 1
