from types import SimpleNamespace

from kdcore.recipe import Term
from pages.parts.train import formula


def method(text: str, *, tempered: bool = False, symbols: str = "") -> SimpleNamespace:
    return SimpleNamespace(card=SimpleNamespace(formula=text, symbols=symbols, title="It"), uses_temperature=tempered)


KNOWN = {
    "ce": method(r"-\log p_{S}(y)", symbols="$y$ the label"),
    "kd": method(r"\tau^2\,\mathrm{KL}\left(p_{T} - p_{S}\right)", tempered=True, symbols="$\\tau$ temperature"),
    "attention": method(r"\sum_{l} \omega_{l}, \qquad \omega = f(A)", symbols="$A$ maps"),
    "long_one": method(r"a_1 + " + " ".join("bcdefgh" * 8) + r" - \left(c + d\right), \quad c = 1"),
}


def test_a_line_for_each_term_with_its_weight():
    drawn = formula.latex((Term(method="ce", weight=0.1), Term(method="kd", weight=0.9, temperature=3.0)), KNOWN)
    assert drawn.count(r"\\") == 1
    assert r"0.9 \; \tau^2" in drawn
    assert r"\tau = 3" in drawn


def test_a_formula_with_a_sign_outside_its_brackets_gets_brackets():
    drawn = formula.latex((Term(method="ce", weight=0.1), Term(method="kd", weight=0.9)), KNOWN)
    assert r"0.1 \; \left(-\log p_{S}(y)\right)" in drawn
    assert r"\left(\tau^2" not in drawn


def test_a_schedule_is_named_not_drawn():
    term = Term(method="kd", weight={"linear": [1, 0]}, temperature={"piecewise": [[1, 3.0], [2, 1.0]]})
    drawn = formula.latex((term,), KNOWN)
    assert r"\text{w(t)} \; \tau^2" in drawn
    assert r"\text{scheduled}" in drawn


def test_a_long_formula_goes_by_its_name_and_is_defined_elsewhere():
    terms = (Term(method="ce"), Term(method="attention"), Term(method="long_one"))
    drawn = formula.latex(terms, KNOWN)
    assert r"\mathcal{L}_{\text{attention}}" in drawn
    assert r"\omega" not in drawn
    defined = formula.definitions(terms, KNOWN)
    assert list(defined) == [r"\mathcal{L}_{\text{attention}}", r"\mathcal{L}_{\text{long one}}"]


def test_a_definition_is_cut_where_it_may_be():
    name, long_one = r"\mathcal{L}", KNOWN["long_one"].card.formula
    lines = (
        formula.in_full(name, long_one).removeprefix(r"\begin{aligned}").removesuffix(r"\end{aligned}").split(r" \\ ")
    )
    assert lines[0] == r"\mathcal{L} =\;& a_1"
    assert lines[2:] == [r"& - \left(c + d\right)", "& c = 1"]
    assert formula.in_full(name, "a + b").count(r"\\") == 0


def test_a_method_that_is_not_known_goes_by_its_name():
    assert r"\mathcal{L}_{\text{my own}}" in formula.latex((Term(method="my_own"),), KNOWN)


def test_the_legend_explains_only_what_occurs():
    assert formula.legend((Term(method="ce"), Term(method="attention")), KNOWN).endswith("; $y$ the label")


def test_forty_eight_symbols_fit_into_a_line_and_one_more_does_not():
    known = {name: method("x" * count) for name, count in (("fits", 48), ("too_long", 49))}
    assert not formula.named(Term(method="fits"), known)
    assert formula.named(Term(method="too_long"), known)
    assert list(formula.definitions((Term(method="fits"), Term(method="too_long")), known)) == [
        r"\mathcal{L}_{\text{too long}}"
    ]


def test_a_sum_of_forty_eight_symbols_stays_in_a_line_and_a_leading_sign_begins_none():
    fits, too_long = "-" + "x" * 23 + "+" + "y" * 23, "-" + "x" * 23 + "+" + "y" * 24
    assert formula.in_full("L", fits) == r"\begin{aligned}L =\;& " + fits + r"\end{aligned}"
    assert formula.in_full("L", too_long).split(r" \\ ") == [
        r"\begin{aligned}L =\;& -" + "x" * 23, "& +" + "y" * 24 + r"\end{aligned}",
    ]  # fmt: skip
