"""The loss terms of the form: methods, weights, temperatures, schedules and options."""

from typing import Any

import streamlit as st

from kdcore.recipe import RecipeError, yaml_text
from kdcore.recipe.limits import limits
from kdcore.recipe.terms import WATCHED, Adapt, Term
from pages.parts import engine, formatting
from pages.parts.train import schedule_form

Plain = dict[str, Any]
LAYERS = {
    None: "Method default",
    "entropy": "By entropy (softmax)",
    "inverse_entropy": "By inverse entropy",
    "uniform": "Uniform",
}


def choose_terms(terms: list[Plain], epochs: int, key: str) -> list[Plain]:
    """The terms, chosen by the names of their methods. Those of the preset keep its settings."""
    methods = engine.methods()
    known = {term["name"] or term["method"]: term for term in terms}
    options = [*known, *(name for name in methods if name not in known)]
    chosen = st.multiselect(
        "Terms of the loss", options, default=list(known), format_func=lambda label: titled(label, known),
        key=f"terms-{key}", placeholder="Search by name or by what is compared: logits, features …",
        label_visibility="collapsed", wrap=True, select_all=False,
    )  # fmt: skip
    return [choose_term(dict(known.get(label) or fresh(label)), label, chosen, epochs, key) for label in chosen]


def titled(label: str, known: dict[str, Plain]) -> str:
    """`Knowledge distillation (logits)`, after the term's own name if it has one."""
    method = engine.methods()[known[label]["method"] if label in known else label]
    title = f"{method.card.title} ({method.compares})"
    return title if label == method.name else f"{label}: {title}"


def fresh(name: str) -> Plain:
    """A new term with the defaults of the method's card."""
    card = engine.methods()[name].card
    return {"method": name, "name": None, "weight": card.weight, "temperature": card.temperature or 4.0}


def choose_term(term: Plain, label: str, labels: list[str], epochs: int, key: str) -> Plain:
    """A row: name, weight, temperature, and a button for the rest."""
    method = engine.methods()[term["method"]]
    key = f"{label}-{key}"
    name, weight, temperature, more = st.columns([4, 3, 3, 2], vertical_alignment="center")
    with more.popover("Options", help=f"Schedule, epochs and options of {formatting.as_text(label)}", width="stretch"):
        st.markdown(f"**{method.card.title}**")
        st.caption(method.card.summary)
        term["weight"] = schedule_form.choose("Weight", term.get("weight", 1.0), f"weight-{key}")
        if method.uses_temperature:
            now = term.get("temperature", 4.0)
            term["temperature"] = schedule_form.choose("Temperature", now, f"temperature-{key}")
        choose_epochs(term, epochs, key)
        choose_adapting(term, labels, key)
        choose_options(term, method, key)
    term["weight"] = slider(weight, "Weight", label, term["weight"], key)
    if method.uses_temperature:
        term["temperature"] = slider(temperature, "Temperature", label, term["temperature"], key)
    details = "".join(f"  \n:gray[:small[{words}]]" for words in [method.card.title, *notes(term)])
    name.markdown(f"**{formatting.as_text(label)}**{details}", help=method.card.summary)
    return term


def slider(place: Any, what: str, of: str, value: Any, key: str) -> Any:
    """A slider for a constant, whose name says which term it is of; a schedule is described in words."""
    if isinstance(value, dict):
        place.markdown(f":small[{what}]  \n{schedule_form.in_words(value)}")
        return value
    usual = 1.0 if what == "Weight" else 10.0
    most = usual if value <= usual else 2.0 * value
    least, step, shown = (0.0, most / 100, "%g") if what == "Weight" else (0.5, 0.5, "%.1f")
    least, step = (value, value) if value < least else (least, step)
    return place.slider(
        f"{what} of {formatting.as_text(of)}",
        least,
        most,
        float(value),
        step,
        format=shown,
        key=f"{what.lower()}-{most:g}-{key}",
    )


def notes(term: Plain) -> list[str]:
    """The settings behind the button, in a few words."""
    first, last = term.get("from_epoch") or 1, term.get("to_epoch")
    notes = [f"epochs {first} to {last}" if last else f"from epoch {first}"] if first > 1 or last else []
    if term.get("adapt"):
        notes.append(f"weight × {term['adapt']['factor']:g} when the validation loss stalls")
    if isinstance(layers := term.get("layers"), str):
        notes.append(f"layers {LAYERS[layers][0].lower()}{LAYERS[layers][1:]}")
    return notes + [formatting.as_text(f"{name}: {value}") for name, value in (term.get("options") or {}).items()]


def choose_epochs(term: Plain, epochs: int, key: str) -> None:
    first, last = st.columns(2)
    term["from_epoch"] = first.number_input(
        "Active from epoch", *limits(Term, "from_epoch"), term.get("from_epoch") or 1, key=f"from-{key}"
    )
    term["to_epoch"] = last.number_input(
        "Until epoch",
        *limits(Term, "to_epoch"),
        term.get("to_epoch"),
        placeholder=f"the last ({epochs})",
        key=f"to-{key}",
    )


def choose_adapting(term: Plain, labels: list[str], key: str) -> None:
    now = term.get("adapt") or {}
    on = st.toggle(
        "Lower the weight on a plateau", bool(now), key=f"adapts-{key}",
        help="Multiplied by the factor when the monitored validation loss has not improved for the epochs of patience.",
    )  # fmt: skip
    if not on:
        term["adapt"] = None
        return
    factor, patience = st.columns(2)
    usual = now.get("watch") or (WATCHED if WATCHED in labels else labels[0])
    term["adapt"] = {
        "factor": factor.number_input(
            "Factor", *limits(Adapt, "factor"), float(now.get("factor", 0.5)), key=f"adapt-factor-{key}"
        ),
        "patience": patience.number_input(
            "Patience, epochs", *limits(Adapt, "patience"), now.get("patience", 2), key=f"patience-{key}"
        ),
        "watch": st.selectbox(
            "Monitored loss", labels, labels.index(usual) if usual in labels else 0, key=f"watch-{key}"
        ),
    }


def choose_options(term: Plain, method: Any, key: str) -> None:
    """A method's options, with widgets by the type of the default; defaults are left out of the recipe."""
    options = dict(term.get("options") or {})
    for option in method.options:
        if option.name == "layers":
            choose_layers(term, key)
            continue
        default = yaml_text.read(option.default, source=f"The default of {option.name}")
        value = one_option(option, options.get(option.name, default), default, key)
        if value == default:
            options.pop(option.name, None)
        else:
            options[option.name] = value
    term["options"] = options


def choose_layers(term: Plain, key: str) -> None:
    now = term.get("layers")
    if isinstance(now, (list, tuple)):
        st.caption(
            f"Weights of the teacher's layers: {', '.join(f'{share:g}' for share in now)}. Edit them in the YAML below."
        )
        return
    choices = list(LAYERS)
    term["layers"] = st.selectbox(
        "Weights of the teacher's layers", choices, choices.index(now), format_func=LAYERS.get, key=f"layers-{key}"
    )


def one_option(option: Any, value: Any, default: Any, key: str) -> Any:
    label, key = option.name.replace("_", " ").capitalize(), f"option-{option.name}-{key}"
    about = option.about or None
    if isinstance(default, bool) and isinstance(value, bool):
        return st.toggle(label, value, key=key, help=about)
    if isinstance(default, (int, float)) and isinstance(value, (int, float)):
        kind = type(default)
        shown = "%d" if kind is int else "%g"
        return st.number_input(label, None, None, kind(value), format=shown, key=key, help=about)
    written = "" if value is None else str(value)
    typed = st.text_input(label, written, key=key, help=about, placeholder="not set" if default is None else None)
    if typed == written:
        return value
    try:
        return yaml_text.read(typed, source="This")
    except RecipeError:
        return typed
