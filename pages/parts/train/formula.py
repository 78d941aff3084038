"""The total loss of a recipe as a formula, from the methods' own cards."""

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kdcore.recipe import Term

if TYPE_CHECKING:
    from kdcore.inspection.method_cards import Entry

LONG = 48  # symbols that fit into a line of the total


def latex(terms: tuple[Term, ...], methods: Mapping[str, "Entry"]) -> str:
    """One line per term. A long formula is replaced by its name; `definitions` has it in full."""
    lines = []
    for i, term in enumerate(terms):
        method = methods.get(term.method)
        start = r"\mathcal{L} =\;& " if i == 0 else r"+\;& "
        tempered = method is not None and method.uses_temperature
        note = rf"\quad\scriptstyle \tau = {_number(term.temperature, 'scheduled')}" if tempered else ""
        lines.append(rf"{start}{_number(term.weight, 'w(t)')} \; {_summand(term, methods)}{note}")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def legend(terms: tuple[Term, ...], methods: Mapping[str, "Entry"]) -> str:
    """The symbols that occur in the total, explained."""
    symbols = [methods[t.method].card.symbols for t in terms if t.method in methods and not named(t, methods)]
    return "; ".join(["$T$ teacher, $S$ student, $p$ class probabilities", *dict.fromkeys(filter(None, symbols))])


def definitions(terms: tuple[Term, ...], methods: Mapping[str, "Entry"]) -> dict[str, "Entry"]:
    """Name of a term in the total -> its method, for the terms whose formula is replaced by a name."""
    found = {
        _name(term.method): methods[term.method] for term in terms if term.method in methods and named(term, methods)
    }
    return found


def in_full(name: str, formula: str) -> str:
    """A definition in lines that fit: each part after a comma, and each summand of a long sum, on its own line."""
    parts = [part.strip(" ,") for part in re.split(r"\\q?quad", formula)]
    first, *others = _summands(parts[0]) if len(_letters(parts[0])) > LONG else [parts[0]]
    lines = [
        rf"{name} =\;& {first}",
        *(rf"& {other}" for other in others),
        *(rf"& {part}" for part in parts[1:] if part),
    ]
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def named(term: Term, methods: Mapping[str, "Entry"]) -> bool:
    """Whether the total shows the term's name instead of its formula."""
    if term.method not in methods:
        return True
    formula = methods[term.method].card.formula
    return r"\quad" in formula or r"\qquad" in formula or len(_letters(formula)) > LONG


def _summand(term: Term, methods: Mapping[str, "Entry"]) -> str:
    if named(term, methods):
        return _name(term.method)
    formula = methods[term.method].card.formula
    return rf"\left({formula}\right)" if _is_sum(formula) else formula


def _is_sum(formula: str) -> bool:
    """Whether it needs brackets after a factor."""
    return bool(_signs(formula))


def _summands(formula: str) -> list[str]:
    """The formula, split before each plus or minus outside all brackets."""
    cuts = [0, *(place for place in _signs(formula) if place), len(formula)]
    return [formula[start:end].strip() for start, end in itertools.pairwise(cuts)]


def _signs(formula: str) -> list[int]:
    """Positions of plus and minus outside all brackets."""
    depth, found = 0, []
    for place, letter in enumerate(formula):
        depth += (letter in "{([") - (letter in "})]")
        if letter in "+-" and depth == 0:
            found.append(place)
    return found


def _letters(formula: str) -> str:
    """A formula's width, roughly: a command counts as one letter, braces as none."""
    return re.sub(r"[{}\s]|\\[,;!]", "", re.sub(r"\\[a-zA-Z]+", "x", formula))


def _name(method: str) -> str:
    plain = method.replace("_", " ")
    return rf"\mathcal{{L}}_{{\text{{{plain}}}}}"


def _number(value: Any, scheduled: str) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else rf"\text{{{scheduled}}}"
