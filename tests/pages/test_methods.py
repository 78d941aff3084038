"""The page Methods: all of them, one's card, and the figures to turn."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdcore import methods
from kdcore.inspection import soft_labels
from pages.parts import engine, formatting
from pages.parts.methods import card, charts, figures, index
from pages.parts.train import presets

REAL_METHODS = engine.methods  # before the stand-in of the other pages takes its place


@pytest.fixture
def real(runner, monkeypatch):
    """The methods that there are, and the recipes of the project."""
    monkeypatch.setattr(engine, "methods", REAL_METHODS)
    return runner


@pytest.fixture
def open_method(real, open_page):
    return lambda **address: open_page("methods.py", **address)


def said(test: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "latex", "info", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in test.get(kind))


def cards(test: AppTest) -> set[str]:
    """The methods whose cards are on the page."""
    return {button.key.removeprefix("open-") for button in test.button if (button.key or "").startswith("open-")}


def test_every_method_is_on_the_page(open_method):
    test = open_method()
    assert not test.exception
    assert cards(test) == set(methods.names())


def test_it_is_found_by_words_of_its_title_its_summary_or_its_paper(open_method):
    test = open_method()
    for words, expected in (("hinton", "kd"), ("Contrastive", "crd"), ("logit standard", "logit_standardisation")):
        test.text_input(key="method-search").set_value(words).run()
        assert expected in cards(test)
        assert len(cards(test)) < 4
    test.text_input(key="method-search").set_value("nothing like it").run()
    assert cards(test) == set()
    assert "No method matches" in said(test)


def test_filters_leave_what_compares_and_works_so(open_method):
    test = open_method()
    test.button_group(key="method-kinds").set_value(["relations"]).run()
    assert {"pkt", "rkd", "sp"} <= cards(test)
    assert not {"kd", "fitnets", "attention"} & cards(test)
    test.button_group(key="method-kinds").set_value([]).run()
    test.selectbox(key="method-pair").set_value(("CNN", "CNN")).run()
    assert "kd" in cards(test)
    assert not {"capd", "cskd", "vlfkd"} & cards(test)


def test_a_card_is_opened_and_left_again(open_method):
    test = open_method()
    test.button(key="open-fitnets").click().run()
    assert test.query_params["method"] == "fitnets"
    assert test.title[0].value == "Hints"
    next(button for button in test.button if button.label == "All methods").click().run()
    assert "method" not in test.query_params
    assert test.title[0].value == "Methods"


@pytest.mark.parametrize("name", sorted(set(methods.names()) - set(figures.FIGURES)))
def test_a_card_says_what_there_is_to_know(open_method, name):
    test, entry = open_method(method=name), REAL_METHODS()[name]
    assert not test.exception
    assert test.title[0].value == entry.card.title
    assert card.lines(rf"\mathcal{{L}} = {entry.card.formula}") in test.latex[0].value
    text = said(test)
    for needed in (entry.card.summary, entry.card.use, entry.card.avoid, entry.card.source, entry.card.differs):
        assert needed in text
    for option in entry.options:
        assert f"`{option.name}`" in text
        assert f"`{option.default}`" in text
    for why in filter(None, entry.refusals.values()):
        assert why in text


def test_an_unknown_method_leads_to_those_that_there_are(open_method):
    assert "There is no method 'kdd'" in said(open_method(method="kdd"))


def test_every_group_of_the_engine_has_its_words():
    from kdcore.inspection.method_cards import COMPARES

    assert {kind: title for kind, (title, _) in index.GROUPS.items()} == COMPARES


def test_trying_a_method_fills_the_form_with_it(real, open_page):
    test = open_page("train.py", method="fitnets")
    assert not test.exception
    assert test.selectbox(key=presets.CHOSEN).value == "Example: Hints"
    assert test.query_params["method"] == "fitnets"
    next(button for button in test.button if button.label == "Start training").click().run()
    (recipe,) = real.started
    assert [(term.method, term.weight) for term in recipe.terms] == [
        ("ce", 1.0),
        ("fitnets", REAL_METHODS()["fitnets"].card.weight),
    ]


def test_what_is_chosen_after_trying_stays_chosen(real, open_page):
    test = open_page("train.py", method="kd")
    test.selectbox(key=presets.CHOSEN).set_value("quick").run()
    assert test.selectbox(key=presets.CHOSEN).value == "quick"


def test_the_temperature_changes_what_the_bundled_networks_say(open_method):
    test = open_method(method="kd")
    assert not test.exception
    assert "Class similarity" in said(test)
    before = test.table[-1].value.to_string()
    test.select_slider(key="method-temperature").set_value(10).run()
    after = test.table[-1].value.to_string()
    assert before != after
    assert "Correlation with the teacher's: **0." in said(test)


def test_networks_without_their_images_say_so(open_method, monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    test = open_method(method="kd")
    test.selectbox(key="method-networks").set_value("cifar10").run()
    assert not test.exception
    assert "images of cifar10 are not in" in said(test)


def test_the_two_parts_of_dkd_are_told_apart(open_method):
    test = open_method(method="dkd")
    assert not test.exception
    test.select_slider(key="method-temperature").set_value(1).run()
    assert "With `others_weight` 8 this method gives them" in said(test)


def test_the_figure_of_maps_shows_that_a_mean_squared_error_has_a_small_gradient(open_method):
    test = open_method(method="attention")
    assert not test.exception
    table = test.table[-1].value
    assert list(table["Divergence"]) == ["`kl`", "`js`", "`l2`", "`mse`"]
    assert int(table["Relative to kl"].iloc[3].removeprefix("1 / ").replace(",", "")) > 1000
    test.selectbox(key="maps-student").set_value("a small spot").run()
    assert "The two maps are equal" in said(test)


def test_a_matrix_leaves_out_what_is_not_known(monkeypatch):
    drawn = []
    monkeypatch.setattr(charts, "_draw", lambda spec, height, alt: drawn.append(spec))
    labels = soft_labels.by_class(np.array([[0.7, 0.3]]), np.array([0]))
    charts.matrix(labels, ("cat", "dog"), "teacher")
    assert [(cell["true"], cell["predicted"]) for cell in drawn[0]["data"]["values"]] == [
        ("cat", "cat"),
        ("cat", "dog"),
    ]


def test_axes_have_few_marks_that_span_what_is_shown(monkeypatch):
    """Five marks at most: a percent axis from 0 to 100, powers of ten for shares, which differ by orders."""
    drawn = []
    monkeypatch.setattr(charts, "_draw", lambda spec, height, alt: drawn.append(spec["encoding"]))
    charts.bars({"teacher": np.array([0.7, 0.3])}, ("cat", "dog"), truth=0)
    charts.share_bars({"one": 2.0, "other": 0.002, "none": 0.0}, "shares")
    assert drawn[0]["y"]["axis"] == {"labelExpr": formatting.PERCENT_LABEL, "tickCount": 5}
    assert drawn[0]["y"]["scale"] == {"domain": [0, 1]}
    assert drawn[1]["x"]["axis"]["tickCount"] == 5
    assert drawn[1]["x"]["scale"]["domain"] == pytest.approx([2e-5, 2.4])


def test_what_a_formula_defines_stands_on_lines_of_its_own():
    assert card.lines(r"a + b, \qquad b = c") == r"\begin{gathered}a + b \\[6pt] b = c\end{gathered}"
    assert card.lines(r"f(a,\,b)") == r"\begin{gathered}f(a,\,b)\end{gathered}"
