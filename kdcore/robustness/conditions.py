"""Conditions: the clean test images, or a test set at a strength, written `patch_scramble@4`; and which an evaluation has."""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from kdcore.data import perturbations
from kdcore.data.perturbations import Perturbation
from kdcore.data.split import Split
from kdcore.errors import UserError, clipped, shortened

Which = Literal["quick", "usual", "full", "corruptions"]
QUICK_IMAGES = 1_000
NAME = "clean"


@dataclass(frozen=True, order=True)
class Condition:
    """A test set at a strength. `set_name` "clean" is the split as it is, whose strength is 0."""

    set_name: str
    strength: float = 0.0

    def __str__(self) -> str:
        return NAME if self.is_clean else f"{self.set_name}@{self.strength:g}"

    @property
    def is_clean(self) -> bool:
        return self.set_name == NAME


CLEAN = Condition(NAME)


def parse(text: str) -> Condition:
    """The condition that a text names, as `str` gives it; a set without a strength is at its usual one.

    Raises:
        UserError: no such set, naming the nearest; or a strength that is no number.
    """
    name, at, strength = text.strip().partition("@")
    if name == NAME:
        if at:
            raise UserError(f"{clipped(text)}: clean images have no strength; write {NAME}.")
        return CLEAN
    perturbation = known(name)
    if not at:
        return Condition(name, float(perturbation.usual))
    try:
        number = float(strength)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"The strength of {name} is {shortened(strength)}; a number was expected: {perturbation.parameter}, as in "
            f"{', '.join(map(str, of_set(name)))}."
        )
    return Condition(name, number)


def title(condition: Condition) -> str:
    """A condition in words, such as `Scrambled patches (4)`; the strength is left out where a set has only one."""
    if condition.is_clean:
        return "Clean images"
    found = known(condition.set_name)
    return found.title if len(found.strengths) == 1 else f"{found.title} ({condition.strength:g})"


def title_of(text: str) -> str:
    """The same from a condition's text; the text itself where this machine does not know the set, such as one of a plugin."""
    try:
        return title(parse(text))
    except UserError:
        return text


def known(name: str) -> Perturbation:
    """A set by its name. Raises UserError; the message names the nearest, and how to list all."""
    if name in (found := perturbations.names()):
        return perturbations.get(name)
    near = difflib.get_close_matches(name[: perturbations.LONGEST_NAME], (NAME, *found), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(f"Unknown test set {shortened(name)}.{hint} Known: {NAME}, {', '.join(found)}.")


def of_set(name: str) -> list[Condition]:
    """A set at each of its listed strengths."""
    return [Condition(name, float(strength)) for strength in known(name).strengths]


def parse_all(texts: Iterable[str]) -> list[Condition]:
    """Conditions from texts; a set without a strength is taken at each of its strengths. The clean images come first.

    Raises:
        UserError: as `parse`.
    """
    found: dict[Condition, None] = {CLEAN: None}
    for text in texts:
        several = of_set(text) if "@" not in text and text != NAME else [parse(text)]
        found |= dict.fromkeys(several)
    return list(found)


def of(which: Which, split: Split | None = None) -> list[Condition]:
    """The conditions of an evaluation, the clean images first; sets that cannot be made from the split are left out.

    quick: a set of each kind at its usual strength, none that is slow to make.
    usual: every set at its usual strength.
    full: every set at all of its strengths, corruptions at their usual one.
    corruptions: every corruption at all of its strengths.

    Raises:
        UserError: no such evaluation.
    """
    if which not in get_args(Which):
        raise UserError(f"Unknown evaluation {shortened(which)}; known: {', '.join(get_args(Which))}.")
    made = {name: each for name, each in _all().items() if split is None or not each.why_not(split)}
    if which == "quick":
        return [CLEAN, *_one_of_each_kind(made)]
    if which == "usual":
        return [CLEAN, *(Condition(name, float(each.usual)) for name, each in made.items())]
    names = [name for name, each in made.items() if which == "full" or each.probes == "corruption"]
    found = [CLEAN]
    for name in names:
        usual = which == "full" and made[name].probes == "corruption"
        found += [Condition(name, float(made[name].usual))] if usual else of_set(name)
    return found


def refused(conditions: Sequence[Condition], split: Split) -> dict[str, str]:
    """The sets among these conditions that cannot be made from a split: name -> why."""
    names = dict.fromkeys(each.set_name for each in conditions if not each.is_clean)
    return {name: why for name in names if (why := known(name).why_not(split))}


def _one_of_each_kind(made: dict[str, Perturbation]) -> list[Condition]:
    kinds: dict[str, Condition] = {}
    for name, each in made.items():
        if not each.cached:
            kinds.setdefault(each.probes, Condition(name, float(each.usual)))
    return list(kinds.values())


def _all() -> dict[str, Perturbation]:
    return {name: perturbations.get(name) for name in perturbations.names()}
