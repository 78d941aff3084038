"""Measures of the networks on every test set, cached by test set, and as rows of a chart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from kdcore.results.bias.sentences import ONE_SEED
from kdcore.results.comparison import Figure, digits
from pages.parts import engine, formatting
from pages.parts.components.dumbbell import dumbbell
from pages.parts.robustness.chosen import Chosen

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Assessment, Row, SetCard, Values

CLEAN = "clean"
GROUPS = {
    "": "Without perturbation", "noise": "Noise", "structure": "Structure", "texture": "Texture", "shape": "Shape",
    "frequency": "Frequency", "cue conflict": "Cue conflict", "corruption": "Corruptions",
}  # fmt: skip
SHORT = {  # measure -> its name in the switch
    "accuracy": "Accuracy", "relative_accuracy": "Chance-corrected", "shape_bias": "Shape bias", "consistency": "Consistency",
    "output_divergence": "Change of outputs", "ece": "Calibration", "nll": "Likelihood", "agreement": "Agreement",
    "kl": "Divergence", "error_consistency": "Kappa",
}  # fmt: skip
OVER_DISTILLED = (
    "The student inherits what hurts: the teacher is worse here than the twin, and the student has moved towards it."
)


def test_sets(chosen: Chosen) -> dict[str, SetCard]:
    """The cards of all test sets by name."""
    return {each.name: each for each in _test_sets(*chosen.key)}


@st.cache_data(max_entries=12, show_spinner=False)
def _test_sets(references: tuple[str, ...], versions: tuple[str, ...]) -> list[SetCard]:
    return engine.test_sets(references)


def of(assessment: Assessment, chosen: Chosen) -> list[Row]:
    """Every measure under every condition that all networks have, transfers corrected for how many they are."""
    return _rows(assessment, chosen.key, tuple(chosen.roles.items()), sizes(assessment))


def so_far(assessment: Assessment, chosen: Chosen) -> list[Row]:
    """The same while conditions are added, each computed once: without transfers, whose number is not known yet."""
    rows = []
    for condition in assessment.conditions:
        part = only(assessment, (CLEAN, condition))
        found = _rows(part, chosen.key, tuple(chosen.roles.items()), sizes(part))
        rows += [
            replace(row, transfer=None, transfer_sentence="", over_distilled=False, kind="")
            for row in found
            if row.condition == condition
        ]
    return rows


def only(assessment: Assessment, conditions: tuple[str, ...]) -> Assessment:
    """The part of an assessment that is about these conditions."""
    outcomes = {
        reference: {each: found for each, found in known.items() if each in conditions}
        for reference, known in assessment.outcomes.items()
    }
    kept = tuple(each for each in assessment.conditions if each in conditions)
    return replace(assessment, conditions=kept, outcomes=outcomes, missing=())


def sizes(assessment: Assessment) -> tuple[tuple[str, int], ...]:
    """How many images each outcome rests on: more of them are other numbers."""
    return tuple(
        (condition, found.count) for known in assessment.outcomes.values() for condition, found in known.items()
    )


def headline(rows: Sequence[Row], of_measure: Sequence[Row], cards: Mapping[str, SetCard]) -> str:
    """What is shown of one measure, in a line; empty where no row has the three roles.

    rows: of all measures, for whose number the intervals are corrected.
    """
    comparisons = [row for row in rows if row.kind]  # those without a conclusion are counted by the correction too
    if not any(row.kind for row in of_measure):
        return ""
    parts = []
    for title, chosen in (
        ("Passed on from the teacher", [r for r in of_measure if r.kind == "passes on" and not r.over_distilled]),
        ("Weaknesses of the teacher that passed on (over-distilled)", [r for r in of_measure if r.over_distilled]),
        ("Moved away from the teacher", [r for r in of_measure if r.kind == "moves away"]),
    ):
        if chosen:
            named = dict.fromkeys(titled(row.condition, cards)[0] for row in chosen)
            parts.append(f"**{title}:** {', '.join(named)}.")
    if not parts:
        parts.append("By this measure, nothing is shown to have passed on from the teacher.")
    return f"{' '.join(parts)} Corrected for {len(comparisons)} comparisons of all measures (Holm). {ONE_SEED}"


@st.cache_data(max_entries=400, show_spinner="Computing measures and intervals")
def _rows(
    _assessment: Assessment, key: object, roles: tuple[tuple[str, str], ...], sizes: tuple[tuple[str, int], ...]
) -> list[Row]:
    from kdcore.inspection import robustness

    return robustness.table(_assessment, dict(roles) or None)


def measures(rows: Iterable[Row]) -> dict[str, Row]:
    """The measures that have a value in any row: key -> one of its rows."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.measure not in found and any(math.isfinite(value[0]) for value in row.values.values()):
            found[row.measure] = row
    return found


def label(row: Row) -> str:
    """The name of its measure in the switch."""
    return SHORT.get(row.measure, row.title)


def split(condition: str) -> tuple[str, str]:
    """`low_pass@4` -> low_pass, 4."""
    name, _, strength = condition.partition("@")
    return name, strength


def usual(rows: Iterable[Row], cards: Mapping[str, SetCard]) -> list[Row]:
    """A row for each set: at its usual strength, else at the first that is known."""
    found: dict[str, Row] = {}
    for row in rows:
        name = split(row.condition)[0]
        if name not in found or (name in cards and row.condition == cards[name].usual):
            found[name] = row
    return list(found.values())


def writer(unit: str) -> Callable[[float], str]:
    """How values of a unit are written: shares as `61 %`."""
    if unit == "share":
        return lambda value: formatting.percent(value, 0 if abs(100 * value - round(100 * value)) < 0.05 else 1)
    return lambda value: formatting.minus(f"{value:.2f}") + (f" {unit}" if unit else "")


def in_words(value: Values, unit: str) -> str:
    """`61.2 % (58.4 to 63.9)`."""
    if not math.isfinite(value[0]):
        return "not defined"
    scale, places = (100, 1) if unit == "share" else (1, 2)
    middle, low, high = (formatting.minus(f"{scale * each:.{places}f}") for each in value)
    after = " %" if unit == "share" else f" {unit}" if unit else ""
    return f"{middle}{after} ({low} to {high})" if math.isfinite(value[1]) else f"{middle}{after}"


def chart_rows(rows: Iterable[Row], chosen: Chosen, cards: Mapping[str, SetCard]) -> dict[str, list[dumbbell.Row]]:
    """Rows of one measure for the chart, by what their sets probe."""
    groups: dict[str, list[dumbbell.Row]] = {title: [] for title in GROUPS.values()}
    for row in rows:
        name, _ = split(row.condition)
        group = GROUPS.get(cards[name].probes if name in cards else "", GROUPS[""])
        groups[group].append(chart_row(row, chosen, cards))
    return groups


def chart_row(row: Row, chosen: Chosen, cards: Mapping[str, SetCard]) -> dumbbell.Row:
    title, strength = titled(row.condition, cards)
    gap, claimed = gap_of(row)
    values = "; ".join(
        f"{chosen.name(reference)} {in_words(value, row.unit)}" for reference, value in row.values.items()
    )
    reasons = "; ".join(dict.fromkeys(row.undefined.values()))
    sentences = [
        f"{title}{f', {strength}' if strength else ''}. {row.title}: {values}",
        row.transfer_sentence,
        reasons and f"Not defined: {reasons}",
    ]
    return dumbbell.Row(
        id=row.condition, title=title, strength=strength, marks=row.values, label=". ".join(each.rstrip(".") for each in sentences if each) + ".",
        gap=gap, claimed=claimed, notes=notes(row), opens=row.condition != CLEAN, none=reasons and f"Not defined: {reasons}",
    )  # fmt: skip


def titled(condition: str, cards: Mapping[str, SetCard]) -> tuple[str, str]:
    """A condition's title and its strength in words."""
    name, strength = split(condition)
    if name == CLEAN:
        return "Test images as they are", ""
    if name not in cards:
        return name, strength
    return cards[name].title, f"{cards[name].parameter}: {strength}" if len(cards[name].strengths) > 1 else ""


def gap_of(row: Row) -> tuple[str, bool]:
    """The difference of the two compared networks as text, `+4.9 (+3.5 to +6.4)`; and whether its interval excludes 0."""
    if row.difference is None or not math.isfinite(row.difference[0]):
        return "", False
    scale, least = (100, 1) if row.unit == "share" else (1, 2)
    places = digits(Figure(*row.difference), scale, least)
    middle, low, high = (signed(scale * each, places) for each in row.difference)
    if not math.isfinite(row.difference[1]):
        return middle, False
    return f"{middle} ({low} to {high})", row.difference[1] > 0 or row.difference[2] < 0


def signed(value: float, places: int) -> str:
    """`+4.9`, `−0.3`, `0.0`: zero has no sign."""
    text = f"{value:+.{places}f}"
    return text.replace("-", formatting.MINUS) if float(text) else text[1:]


def share_of_way(transfer: Values) -> str:
    """`62 % (40 to 85)`."""
    middle, low, high = transfer
    ends = f" ({100 * low:.0f} to {100 * high:.0f})".replace("-", formatting.MINUS) if math.isfinite(low) else ""
    return formatting.percent(middle, 0) + ends


def claims(of_measure: Sequence[Row]) -> list[str]:
    """What is shown to have passed on, or to have moved away, by one measure: a sentence each, with its intervals."""
    return [row.transfer_sentence for row in of_measure if row.kind in ("passes on", "moves away")]


def notes(row: Row) -> tuple[dumbbell.Note, ...]:
    """Transfer from the teacher, and whether the student inherits what hurts."""
    found = []
    if row.transfer is not None and math.isfinite(row.transfer[0]):
        found.append(dumbbell.Note(f"transfer {share_of_way(row.transfer)}", row.transfer_sentence))
    if row.over_distilled:
        found.append(dumbbell.Note("over-distilled", OVER_DISTILLED, warning=True))
    return tuple(found)
