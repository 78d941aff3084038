from kdcore.recipe import Term
from pages.parts import formula


def test_a_line_for_each_term_with_its_weight():
    drawn = formula.latex((Term(method="ce", weight=0.1), Term(method="kd", weight=0.9, temperature=3.0)), ["kd"])
    assert drawn.count(r"\\") == 1
    assert r"0.1 \; \mathrm{CE}" in drawn
    assert r"0.9 \; \tau^2" in drawn
    assert r"\tau = 3" in drawn


def test_a_schedule_is_named_not_drawn():
    term = Term(method="kd", weight={"linear": [1, 0]}, temperature={"piecewise": [[1, 3.0], [2, 1.0]]})
    drawn = formula.latex((term,), ["kd"])
    assert r"\text{w(t)} \; \tau^2" in drawn
    assert r"\text{scheduled}" in drawn


def test_a_method_without_a_symbol_goes_by_its_name():
    assert r"\mathcal{L}_{\text{my\_own}}" in formula.latex((Term(method="my_own"),), [])


def test_the_legend_explains_only_what_occurs():
    assert formula.legend((Term(method="ce"),)).endswith("$y$ labels")
