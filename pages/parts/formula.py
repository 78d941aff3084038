"""The total loss of a recipe as a formula."""

from typing import Any

from kdcore.recipe import Term

# What each method compares; p are class probabilities, z feature maps, A maps of where a network looks.
SYMBOLS = {
    "ce": r"\mathrm{CE}(y,\; p_{S})",
    "kd": r"\tau^2\,\mathrm{KL}(p_{T}^{\tau} \,\|\, p_{S}^{\tau})",
    "attention": r"\sum_{l} \omega_{l}\, \mathrm{KL}(A_{T}^{l} \,\|\, A_{S})",
    "fitnets": r"\left\| z_{T} - r(z_{S}) \right\|^2",
}


def latex(terms: tuple[Term, ...], temperatures: dict[str, Any]) -> str:
    """A line a term.

    Args:
        temperatures: term -> its temperature, for the terms whose method has one.
    """
    lines = []
    for i, term in enumerate(terms):
        symbol = SYMBOLS.get(term.method, rf"\mathcal{{L}}_{{\text{{{_plain(term.method)}}}}}")
        start = r"\mathcal{L} =\;& " if i == 0 else r"+\;& "
        note = ""
        if term.label in temperatures:
            note = rf"\quad\scriptstyle \tau = {_number(temperatures[term.label], 'scheduled')}"
        lines.append(f"{start}{_number(term.weight, 'w(t)')} \\; {symbol}{note}")
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def _number(value: Any, scheduled: str) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else rf"\text{{{scheduled}}}"


def _plain(name: str) -> str:
    return name.replace("_", r"\_")
