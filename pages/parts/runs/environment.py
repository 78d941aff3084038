"""What a run was computed with: versions, code, device, and checksums of its weights and data."""

import itertools
from pathlib import PurePath
from typing import Any

import streamlit as st

from kdcore.store import RunState
from kdcore.store.run_files import environment as environments
from pages.parts import engine, formatting


def show(run: RunState) -> None:
    """A line for each part of the environment at the start, and what differed at each resume."""
    entries = engine.store().environment(run.id)
    if not entries:
        return
    st.caption("Computed with")
    st.table({name: formatting.as_text(value) for name, value in lines(entries[0]).items()}, border="horizontal")
    for before, now in itertools.pairwise(entries):
        clauses = "; ".join(environments.differences(before, now))
        st.caption(f"Resumed in another environment: {formatting.as_text(clauses)}.")


def lines(entry: dict[str, Any]) -> dict[str, str]:
    """Label -> text; an entry of another version, or edited by hand, may lack any of them."""
    found = {
        "Versions": ", ".join(f"{name} {version}" for name, version in _part(entry, "versions").items()),
        "Code": _code(_part(entry, "code")),
        "Device": ", ".join(str(entry[key]) for key in ("device", "platform") if entry.get(key)),
    }
    for name in _part(entry, "weights"):
        weights = _part(_part(entry, "weights"), name)
        file = PurePath(str(weights.get("file", ""))).name  # not its folder, which is the server's
        found[f"Weights of the {name}"] = f"{file}, SHA-256 {str(weights.get('sha256', ''))[:16]}…"
    for name in _part(entry, "plugin"):
        plugin = _part(_part(entry, "plugin"), name)
        file = PurePath(str(plugin.get("file", ""))).name
        found[f"Plugin: {name}"] = f"{file}, SHA-256 {str(plugin.get('sha256', ''))[:16]}…"
    for name in _part(entry, "data"):
        split = _part(_part(entry, "data"), name)
        found[f"{name.capitalize()} images"] = f"{split.get('images')}, SHA-256 {str(split.get('sha256', ''))[:16]}…"
    return {label: text for label, text in found.items() if text}


def _part(entry: dict[str, Any], key: str) -> dict[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _code(code: dict[str, Any]) -> str:
    if not code.get("commit"):
        return ""
    return f"commit {str(code['commit'])[:12]}" + (
        ", with changes that are not committed" if code.get("modified") else ""
    )
