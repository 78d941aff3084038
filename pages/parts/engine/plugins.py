"""Plugins of this server: those that could not be loaded, and those that a run used and that are not there."""

from __future__ import annotations

from kdcore import plugins
from pages.parts.engine import process
from pages.parts.engine.guards import operators, shown, visitors


@operators("see the server's plugins")
def plugin_problems() -> tuple[str, ...]:
    """A sentence for each plugin that cannot be used."""
    return tuple(str(each) for each in plugins.problems())


@visitors
def missing_plugins(run_id: str) -> str:
    """Which plugins a run used that are not loaded now, as a sentence; empty where there are none."""
    recorded = [entry["plugin"] for entry in process.store().environment(run_id)[-1:] if entry.get("plugin")]
    if not recorded:
        return ""
    from kdcore.inspection import run_plugins

    return shown(run_plugins.missing(recorded[0]))
