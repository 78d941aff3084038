"""The total loss of a recipe as a formula."""

from collections.abc import Collection
from typing import Any

from kdcore.recipe import Term

# What each method compares; p are class probabilities, z feature maps, A maps of where a network looks.
SYMBOLS = {
    "ce": r"\mathrm{CE}(y,\; p_{S})",
    "kd": r"\tau^2\,\mathrm{KL}(p_{T}^{\tau} \,\|\, p_{S}^{\tau})",
    "attention": r"\sum_{l} \omega_{l}\, \mathrm{KL}(A_{T}^{l} \,\|\, A_{S})",
    "fitnets": r"\left\| z_{T} - r(z_{S}) \right\|^2",
}

MEANINGS = {
    "ce": "$y$ labels",
    "kd": "$\\tau$ temperature",
    "attention": "$A$ where a network looks, $\\omega$ the weight of a teacher's layer",
    "fitnets": "$z$ feature maps, $r$ a learned regressor",
}


def legend(terms: tuple[Term, ...]) -> str:
    """What the letters mean, as far as they occur."""
    methods = dict.fromkeys(term.method for term in terms)
    return ", ".join(
        ["$T$ teacher, $S$ student, $p$ class probabilities", *(MEANINGS[m] for m in methods if m in MEANINGS)]
    )


def latex(terms: tuple[Term, ...], with_temperature: Collection[str]) -> str:
    """A line a term.

    Args:
        with_temperature: the methods that have one.
    """
    lines = []
    for i, term in enumerate(terms):
        symbol = SYMBOLS.get(term.method, rf"\mathcal{{L}}_{{\text{{{_plain(term.method)}}}}}")
        start = r"\mathcal{L} =\;& " if i == 0 else r"+\;& "
        has_one = term.method in with_temperature
        note = rf"\quad\scriptstyle \tau = {_number(term.temperature, 'scheduled')}" if has_one else ""
        lines.append(rf"{start}{_number(term.weight, 'w(t)')} \; {symbol}{note}")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def _number(value: Any, scheduled: str) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else rf"\text{{{scheduled}}}"


def _plain(name: str) -> str:
    return name.replace("_", r"\_")
