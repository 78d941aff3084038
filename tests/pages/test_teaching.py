"""Teaching links: what an address hides is hidden, its choices hold, and there is a way to show everything."""

import re

import pytest

from pages.parts.roles import role
from pages.parts.teaching import exercise
from pages.parts.teaching.controls import ATTENTION, PAGES, style


def keys_of(tree) -> set[str]:
    """The keys of all that is drawn, widgets and containers."""
    found = set()
    for block in [tree, *getattr(tree, "children", {}).values()]:
        proto = getattr(block, "proto", None)
        found.add(getattr(block, "key", None) or _container_key(proto))
        if block is not tree:
            found |= keys_of(block)
    return {key for key in found if key}


def _container_key(proto) -> str:
    made = re.fullmatch(r"\$\$ID-[^-]+-(.*)", getattr(proto, "id", "") or "")
    return made[1] if made else ""


def styles(at) -> str:
    return "".join(element.proto.body for element in at.get("html"))


def test_what_an_address_hides_is_hidden_and_the_rest_stays(make_run, open_page):
    at = open_page("train.py", hide="data,weights")
    assert not at.exception
    assert ".st-key-section-data" in styles(at)
    assert ".st-key-section-terms" in styles(at)
    assert "section-networks" not in styles(at)
    assert "2 controls are hidden" in at.caption[0].value
    at.button(key="show-all-controls").click().run()
    assert "hide" not in at.query_params
    assert ".st-key-section-data" not in styles(at)


def test_an_unknown_name_is_a_sentence_with_the_known_ones(runner, open_page):
    at = open_page("train.py", hide="data,nope<b>")
    assert "This address hides" in at.warning[0].value
    assert "nope" in at.warning[0].value
    assert r"\<b>" in at.warning[0].value  # as text
    assert "preset, data, networks, weights, training, yaml, start" in at.warning[0].value
    assert ".st-key-section-data" in styles(at)


def test_a_page_without_controls_says_so(runner, open_page):
    assert "Nothing can be hidden here" in open_page("studies.py", hide="weights").warning[0].value


def test_a_runs_view_has_controls_of_its_own(make_run, open_page):
    at = open_page("train.py", run=make_run(), hide="buttons,more")
    assert ".st-key-run-buttons" in styles(at)
    assert not at.warning


def test_an_address_fixes_settings_of_the_form(runner, open_page):
    at = open_page("train.py", preset="quick", set=["epochs=3", "terms.1.temperature=8"])
    assert not at.exception
    assert not at.error
    assert [box.value for box in at.number_input if box.label == "Epochs"] == [3]


def test_a_setting_that_no_recipe_has_is_named(runner, open_page):
    at = open_page("train.py", set=["epoches=3"])
    assert "The settings of this address are not used: " in at.error[0].value
    assert "epochs" in at.error[0].value


def test_a_visitors_address_opens_no_folder(runner, visiting, open_page):
    at = open_page("train.py", set=["data.name=folder", "data.path=/etc"])
    assert "Only the operator can use folders of this server" in at.error[0].value


def test_the_operator_copies_the_view_as_an_exercise(runner, open_page):
    at = open_page("train.py", set=["epochs=3"], hide="data")
    assert at.code[-1].value.endswith("train?set=epochs%3D3&hide=data")
    at.pills(key="hide-on-train").set_value(["weights", "start"]).run()
    assert at.code[-1].value.endswith("train?set=epochs%3D3&hide=weights,start")


def test_an_exercise_has_neither_a_windows_parameters_nor_the_key_of_a_shared_photo(runner, open_page):
    at = open_page("train.py", set=["epochs=3"], present="1", follow="1", remove="secret")
    assert at.code[-1].value.endswith("train?set=epochs%3D3")


def test_a_visitor_has_no_button_for_it(runner, visiting, open_page):
    at = open_page("train.py", hide="data")
    assert "hide-on-train" not in keys_of(at._tree)
    assert at.button(key="show-all-controls")


def test_parts_of_components_are_hidden_by_variables():
    assert style(ATTENTION, ["change", "view"]) == ":root { --hide-pokes: none; --hide-views: none; }"
    assert style({}, []) == ""


@pytest.mark.parametrize("page", PAGES)
def test_names_fit_into_an_address(page):
    assert all(re.fullmatch(r"[a-z]+", name) for name in PAGES[page])


def test_hiding_gives_nobody_a_role(runner, visiting, open_page):
    open_page("train.py", hide="data")
    assert not role.is_operator()
    assert exercise.controls_of("start") == {}
