"""Runs on disk, without torch: a folder a run, one JSON line an event, arrays and weights beside them.

A run's folder:

    runs/<id>/recipe.yaml
    runs/<id>/events.jsonl            one writer, any number of readers; a half-written last line is not read
    runs/<id>/probes/00000120.npz
    runs/<id>/checkpoints/00000120.safetensors
    runs/<id>/snapshots/00000120.safetensors    weights alone, spaced over the run
    runs/<id>/folded.json, .npz       what was folded from the events, so that it is not folded again; see `keeping`
    runs/<id>/writer.lock             locked while a process writes: a run that is neither locked nor ended was interrupted
    runs/studies/<id>.yaml            a study, and which run belongs to which of its points

Each run is read on its own. What cannot be read of one is said in its state (`RunState.damage`); the others are as ever.
"""

from kdcore.store.runs import Store
from kdcore.store.state import ACTIVE, RESUMABLE, RunState, in_one_line
from kdcore.store.studies import Place, Studies, StudyState
from kdcore.store.writing import RunWriter

__all__ = [
    "ACTIVE",
    "RESUMABLE",
    "Place",
    "RunState",
    "RunWriter",
    "Store",
    "Studies",
    "StudyState",
    "in_one_line",
]
