"""Runs on disk: a folder for each run, a JSON line for each event, arrays and weights beside them. Without torch.

A run's folder:

    runs/<id>/recipe.yaml
    runs/<id>/events.jsonl            one writer, any number of readers; an incomplete last line is not read
    runs/<id>/label.json              name, tags and note by a user, pinned, archived; none of it affects the run
    runs/<id>/probes/00000120.npz
    runs/<id>/batches.bin             losses and predicted classes of the images of logged steps; see `run_files.batches`
    runs/<id>/test.npz                targets and predicted classes of the test images, of a finished run
    runs/<id>/checkpoints/00000120.safetensors
    runs/<id>/snapshots/00000120.safetensors    weights only, at up to nine points of the run
    runs/<id>/robustness/student/clean.npz    outcomes on test sets, see `kdcore.robustness.kept`
    runs/<id>/folded.json, .npz       cached replay of the events; see `replay.cache`
    runs/<id>/commands/<time>.json    commands by other processes, removed when they are followed; see `run_files.commands`
    runs/<id>/writer.lock             locked by the process that writes: a run that is neither locked nor ended was interrupted
    runs/<id>/writer.beat             that process's heartbeat, by which other machines judge on a shared drive; see `files.heartbeat`
    runs/studies/<id>.yaml            a study, and the run of each of its points

Each run is read on its own. What cannot be read of it is stated in `RunState.damage`; other runs are not affected.
"""

from kdcore.store.run_files.writing import RunWriter
from kdcore.store.runs import Store
from kdcore.store.state import ACTIVE, RESUMABLE, RunState, in_one_line
from kdcore.store.studies import Place, Studies, StudyState

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
