"""The networks that the Robustness page compares: those that belong together, or chosen one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import streamlit as st

from kdcore.recipe.references import RunNetwork, parse
from kdcore.results.comparison import MINUS
from pages.parts import engine, formatting, page_table, palette
from pages.parts.components.dumbbell import dumbbell

if TYPE_CHECKING:
    from kdcore.inspection.robustness import Family, Network

SINGLY = "Choose one by one"
MOST = 4  # networks
ROLE_SHAPES: dict[str, dumbbell.Shape] = {"teacher": "diamond", "student": "disc", "twin": "ring"}
OTHER_COLOURS = ("primary", "orange", "violet", "blue")
RUN = "run"  # in the address: opens with the networks of this run


@dataclass(frozen=True)
class Chosen:
    """Networks by their headings on the page, with the versions of their weights.

    roles: role -> reference, where each network has one of its own; else empty, and nothing can be passed on between them.
    """

    networks: Mapping[str, str]
    roles: Mapping[str, str]
    versions: tuple[str, ...] = ()
    bundled: bool = False

    @cached_property
    def references(self) -> tuple[str, ...]:
        return tuple(self.networks.values())

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Equal only for the same networks with the same weights."""
        return self.references, self.versions

    @property
    def compared(self) -> tuple[str, str] | None:
        """The two between which a difference is taken, as the engine does: student and twin, or the first two."""
        if {"student", "twin"} <= self.roles.keys():
            return self.roles["student"], self.roles["twin"]
        return (self.references[0], self.references[1]) if len(self.references) > 1 else None

    @property
    def difference(self) -> str:
        """What is subtracted from what: `Student − twin`, or `First − second` of networks without roles; empty for one network."""
        if self.compared is None:
            return ""
        one, other = map(self.heading, self.compared) if self.roles else ("First", "second")
        return f"{one} {MINUS} {other.lower()}"

    def heading(self, reference: str) -> str:
        return next(heading for heading, each in self.networks.items() if each == reference)

    def name(self, reference: str) -> str:
        """As within a sentence: "the student", or the title of a network without a role."""
        heading = self.heading(reference)
        return f"the {heading.lower()}" if self.roles else heading

    def colour(self, reference: str) -> str:
        """A name of the theme's colours."""
        for role, each in self.roles.items():
            if each == reference:
                return palette.COLOURS[role]
        return OTHER_COLOURS[self.references.index(reference)]

    def drawn(self) -> list[dumbbell.Network]:
        """As a chart draws them: twin, student, teacher."""
        names = {"teacher": "Teacher", "student": "Student", "twin": "Twin"}
        role_of = {reference: role for role, reference in self.roles.items()}
        return [
            dumbbell.Network(
                key=reference,
                name=names[role_of[reference]] if role_of else heading,
                colour=f"var(--st-{self.colour(reference)}-color)",
                shape=ROLE_SHAPES[role_of[reference]] if role_of else dumbbell.SHAPES[place],
            )
            for place, (heading, reference) in enumerate(self.networks.items())
        ]


def of_family(run_id: str, networks: Mapping[str, str]) -> Chosen:
    """Networks that belong together in the order of the palette; `run_id` is empty for bundled ones."""
    roles = {role: networks[role] for role in palette.NETWORKS if role in networks}
    return Chosen(
        {role.capitalize(): reference for role, reference in roles.items()},
        roles,
        tuple(version(reference) for reference in roles.values()),
        bundled=not run_id,
    )


def choose() -> Chosen | None:
    """The selection boxes; None, with the reason on the page, where fewer than two networks are chosen."""
    families, known = engine.families(), {each.reference: each for each in engine.evaluable()}
    titles = labels(families)
    open_run(families, titles)
    if not known:
        st.info("There is no network yet: none is bundled, and no run has a checkpoint.", icon=":material/info:")
        st.page_link(page_table.TRAIN, label="Train one", icon=":material/school:")
        return None
    name_missing("networks", [*titles, SINGLY])
    picked = st.selectbox(
        "Networks", [*titles, SINGLY], first(families, list(titles)), key="networks", bind="query-params", width=320,
        on_change=forget_missing, args=("networks",),
    )  # fmt: skip
    if picked == SINGLY:
        return choose_singly(known, families)
    return of_family(titles[picked].run_id, titles[picked].roles)


def labels(families: list[Family]) -> dict[str, Family]:
    """A label of its own for each family, since runs may share a name: label -> family."""
    found: dict[str, Family] = {}
    for family in families:
        label = f"{family.title} ({short(family.run_id)})" if family.run_id else family.title
        found[label] = family
    return found


def short(run_id: str) -> str:
    """The time and the last letters of a run's id."""
    return f"{run_id[:15]} {run_id[-4:]}"


def first(families: list[Family], titles: list[str]) -> int:
    """The family that the page opens with: the first whose images are on this machine."""
    usable = (place for place, family in enumerate(families) if not unusable(tuple(family.roles.values())))
    return next(usable, 0 if titles else len(titles))


@st.cache_data(ttl=60, show_spinner=False)
def unusable(references: tuple[str, ...]) -> str:
    """Why these networks cannot be evaluated together, remembered for a minute."""
    return engine.evaluation_refusal(references)


def open_run(families: list[Family], titles: Mapping[str, Family]) -> None:
    """`?run=ID` opens with the networks of that run; a run that is unknown, or has none, is named."""
    run_id = st.query_params.get(RUN)
    if run_id is None:
        return
    label = next((label for label, family in titles.items() if family.run_id == run_id), None)
    if label is not None:
        address = {key: value for key, value in st.query_params.items() if key not in (RUN, "networks")}
        st.switch_page(page_table.ROBUSTNESS, query_params=address | {"networks": label})
    named = formatting.as_text(repr(run_id[:60]))
    if run_id in engine.store().ids():
        st.warning(
            f"Run {named} has no checkpoint with a teacher and a student, so its networks cannot be evaluated. Other "
            "networks are shown."
        )
    else:
        st.warning(f"There is no run {named}. It may have been deleted. Other networks are shown.")


def name_missing(key: str, options: list[str]) -> None:
    """Name what was chosen, or an address opens, and is not there, such as the networks of a deleted run, until others are chosen.

    Args:
        key: of the widget, and in the address; what the widget does not know, it removes from both.
        options: what is there, as the widget and as the address has it.
    """
    now = st.session_state[key] if key in st.session_state else st.query_params.get_all(key)
    if gone := [each for each in ([now] if isinstance(now, str) else now or ()) if each not in options]:
        st.session_state[f"{key}-missing"] = gone
    if gone := st.session_state.get(f"{key}-missing"):
        named = ", ".join(formatting.as_text(repr(each[:60])) for each in gone[:3])
        st.warning(
            f"There are no networks {named}. Their run may have been deleted or renamed. Other networks are shown."
        )


def forget_missing(key: str) -> None:
    """Others were chosen."""
    st.session_state.pop(f"{key}-missing", None)


def choose_singly(known: Mapping[str, Network], families: list[Family]) -> Chosen | None:
    """Two to four networks of any runs."""
    usual = families[first(families, [])] if families else None
    name_missing("models", [*known, *map(full_title, known.values())])
    references = st.multiselect(
        f"Two to {MOST} networks for the same data",
        list(known),
        list(usual.roles.values()) if usual else [],
        format_func=lambda reference: full_title(known[reference]),
        max_selections=MOST,
        key="models",
        bind="query-params",
        width=640,
        on_change=forget_missing,
        args=("models",),
    )
    if len(references) < 2:
        st.info("Choose at least two networks to compare.", icon=":material/info:")
        return None
    roles = [role_of(reference) for reference in references]
    versions = tuple(version(reference) for reference in references)
    if len(set(roles)) == len(roles) and {"student"} < set(roles) <= set(palette.NETWORKS):
        named = dict(zip(roles, references, strict=True))
        ordered = {role: named[role] for role in palette.NETWORKS if role in named}
        versions = tuple(version(reference) for reference in ordered.values())
        return Chosen({role.capitalize(): reference for role, reference in ordered.items()}, ordered, versions)
    return Chosen({full_title(known[reference]): reference for reference in references}, {}, versions)


def full_title(network: Network) -> str:
    """A title that no other network has: runs may share a name."""
    source = parse(network.reference)
    return f"{network.title} ({short(source.run_id)})" if isinstance(source, RunNetwork) else network.title


def role_of(reference: str) -> str:
    """`cues-twin` -> twin, `run:ID/student` -> student."""
    source = parse(reference)
    return source.network if isinstance(source, RunNetwork) else reference.rpartition("-")[2]


def version(reference: str) -> str:
    """A run's network changes with each checkpoint."""
    source = parse(reference)
    return str(engine.store().checkpoint(source.run_id)) if isinstance(source, RunNetwork) else ""
