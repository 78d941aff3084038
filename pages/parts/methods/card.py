"""A method's card: summary, formula, when to use it, defaults and options; then its interactive figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import page_table
from pages.parts.methods.figures import FIGURES, FIRST
from pages.parts.methods.index import GROUPS, open_card

if TYPE_CHECKING:
    from kdcore.inspection.method_cards import Entry

OUTPUTS = {
    "logits": "logits",
    "pooled": "pooled vector",
    "features": "feature maps",
    "attention": "attention maps",
    "dense": "logits at every position",
    "qkv": "queries, keys, values",
}


def show(entry: Entry) -> None:
    card = entry.card
    st.button(
        "All methods", icon=":material/arrow_back:", type="tertiary", on_click=open_card, args=[None], key="all-methods"
    )
    st.title(card.title, anchor=False)
    st.markdown(f"#### :gray[{card.summary}]")
    left, right = st.columns([5, 3], gap="large")
    with left:
        formula(entry)
        st.markdown(f"**When to use it**  \n{card.use}")
        st.markdown(f"**When not to, or with care**  \n{card.avoid}")
        if card.differs:
            st.markdown(f"**Differs from the original**  \n{card.differs}")
        if entry.two_classes:
            st.markdown(f"**With two classes**  \n{entry.two_classes[:1].upper()}{entry.two_classes[1:]}")
        not_for(entry)
        if entry.background:
            with st.expander("More about it", icon=":material/notes:"):
                st.markdown(entry.background)
    with right:
        start_from(entry)
    if entry.options:
        options(entry)
    figures(entry)


def formula(entry: Entry) -> None:
    with st.container(border=True):
        st.latex(lines(rf"\mathcal{{L}} = {entry.card.formula}"))
        letters = "$T$ teacher, $S$ student, $p$ class probabilities"
        st.caption(f"{letters}; {entry.card.symbols}." if entry.card.symbols else f"{letters}.")


def lines(formula: str) -> str:
    """The formula with its definitions on lines of their own, as columns are narrow."""
    parts = re.split(r",\s*\\q?quad\s*", formula)
    return r"\begin{gathered}" + r" \\[6pt] ".join(parts) + r"\end{gathered}"


def start_from(entry: Entry) -> None:
    """The facts, and a button that starts from them on Train."""
    card = entry.card
    with st.container(border=True):
        facts = {"In a recipe": f"`{entry.name}`", "Compares": GROUPS[entry.compares][0].lower()}
        if entry.uses_teacher:
            facts["Needs"] = ", ".join(OUTPUTS[need] for need in entry.needs) + " of both"
            facts["Works for"] = works_for(entry)
        facts["Labels"] = "needed" if entry.needs_labels else "not needed"
        facts["Mixed images"] = "refused" if entry.not_mixed else "possible"
        facts["Weight"] = f"**{card.weight:g}** to start from"
        if card.temperature is not None:
            facts["Temperature"] = f"**{card.temperature:g}** to start from"
        st.table(facts, border="horizontal")
        st.caption(card.source)
        if st.button("Try it", type="primary", icon=":material/play_arrow:", width="stretch", key="try-method"):
            st.switch_page(page_table.TRAIN, query_params={"method": entry.name})
        st.link_button(card.paper, card.url, icon=":material/article:", width="stretch")


def works_for(entry: Entry) -> str:
    works = [f"{teacher} → {student}" for (teacher, student), refusal in entry.refusals.items() if not refusal]
    return "every pairing of ViT and CNN" if len(works) == len(entry.refusals) else ", ".join(works)


def options(entry: Entry) -> None:
    st.subheader("Options", anchor=False)
    lines_of = [
        f"`{o.name}` :gray[:small[default]] `{o.default}`  \n{o.about[:1].upper()}{o.about[1:]}" for o in entry.options
    ]
    st.markdown("\n\n".join(lines_of))


def not_for(entry: Entry) -> None:
    """The refused pairings, each reason once."""
    reasons: dict[str, list[str]] = {}
    for (teacher, student), why in entry.refusals.items():
        if why:
            reasons.setdefault(why, []).append(f"{teacher} → {student}")
    if reasons:
        st.markdown("**Not for**\n" + "\n".join(f"- {', '.join(pairs)}: {why}" for why, pairs in reasons.items()))


def figures(entry: Entry) -> None:
    """The method's figures; for other methods on logits a link to those on soft labels."""
    if entry.name in FIGURES:
        for draw in FIGURES[entry.name]:
            draw()
    elif entry.uses_teacher and entry.compares == "logits":
        st.button(
            "See soft labels", icon=":material/bar_chart:", on_click=open_card, args=[FIRST],
            help="On the card of knowledge distillation: real outputs, with a temperature to change.",
        )  # fmt: skip
