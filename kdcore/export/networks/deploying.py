"""Worth deploying? The networks of a run side by side: accuracy, size, operations, latency and memory, in float32 and INT8.

Every network is exported as ONNX and measured as that file: on the same test images by onnxruntime, so that differences are paired,
and for latency and memory in processes of their own (`latency`). A GPU, where there is one, runs the network in PyTorch.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdcore import models
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.export.networks import card, choosing, evaluating, int8, latency, onnx_graph
from kdcore.export.networks.choosing import Chosen
from kdcore.export.networks.deploy_table import FILE, Row, Table
from kdcore.export.networks.onnx_session import Session
from kdcore.files import atomic, disk, scratch
from kdcore.paths import weight_file
from kdcore.recipe import weight_header
from kdcore.recipe.references import RUN, SAFETENSORS, WeightFile
from kdcore.results.comparison import claim, corrected
from kdcore.results.json_text import text as as_json
from kdcore.runtime import cores
from kdcore.store import Store

SECONDS = 5.0  # of latency, for each size of batch
PATIENCE = 900  # seconds for a measuring process
GPU_RUNS, GPU_WARMUP = 50, 10
Report = Callable[[str], None]


@dataclass
class _Form:
    """A network as a file, while it is measured."""

    name: str
    chosen: Chosen
    model: Any
    logits: np.ndarray | None = None
    in_float: bool = True
    file: Path = Path()


def measure(
    run_id: str,
    store: Store,
    *,
    also: Sequence[str] = (),
    at_most: int | None = None,
    threads: int | None = None,
    seconds: float = SECONDS,
    report: Report = lambda text: None,
) -> Table:
    """The table of a finished run.

    Args:
        also: further networks by reference, such as a pruned student's file.
        at_most: test images.
        threads: CPU threads of onnxruntime; `cores.threads()` unless given.
        seconds: of latency measurements for each size of batch.

    Raises:
        UserError: there is no such run, it has not ended, its student cannot be exported, or a library is missing.
    """
    threads = threads or cores.threads()
    notes: list[str] = []
    forms = _forms(run_id, store, also, notes, report)
    images = _measure_accuracy(forms, at_most, notes, report)
    with scratch.folder() as folder:
        for place, form in enumerate(forms):
            form.file = folder / f"{place}.onnx"
            form.file.write_bytes(form.model.SerializeToString())
        report("Latency and memory, each in a process of its own.")
        times = _measured(str(threads), str(seconds), *(str(form.file) for form in forms))
        grown = [_measured("--memory", str(threads), str(form.file))["bytes"] for form in forms]
        against = _against(forms, images, notes)
        rows = tuple(
            _row(form, images, words, times[str(form.file)], size)
            for form, words, size in zip(forms, against, grown, strict=True)
        )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return Table(
        run_id, rows, len(images) if images else 0, threads, _cpu(), gpu, metadata.version("onnxruntime"),
        time.strftime("%Y-%m-%d"), tuple(notes),
    )  # fmt: skip


def keep(table: Table, store: Store) -> bool:
    """Store a table with its run, for the run's page; False where the run is a recording.

    Raises UserError where the disk is full or read-only, or the run was deleted.
    """
    folder = store.folder(table.run)
    if store.state(table.run).recorded:
        return False
    with disk.in_words(folder, then="compare the networks again"):
        atomic.write_text(folder / FILE, as_json(table.plain(), indent=1) + "\n")
    return True


def _forms(run_id: str, store: Store, also: Sequence[str], notes: list[str], report: Report) -> list[_Form]:
    """Student, its INT8 file, twin, teacher and further networks, as ONNX models."""
    state = store.state(run_id)
    if state.status != "finished":
        raise UserError(f"Run {run_id} is {state.status}; the networks of a finished run are compared.")
    forms = [_form("student", f"run:{run_id}/student", store, report)]
    student = forms[0]
    try:
        if student.chosen.data is None:
            raise UserError(student.chosen.why)
        model = int8.quantised(student.model, int8.calibration(student.chosen.data))
        _describe(model, student.chosen)
        forms.append(_Form("student INT8", student.chosen, model, in_float=False))
    except UserError as error:
        notes.append(f"student INT8: {error}")
    for name, reference, named in _others(run_id, state.results, store, also):
        try:
            forms.append(_form(name, reference, store, report))
        except UserError as error:
            if named:
                raise
            notes.append(f"{name}: {error}")
    return forms


def _others(run_id: str, measured: Container[str], store: Store, also: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Twin, teacher, pruned students and further networks, each once: name, reference, and whether the caller named it."""
    named = dict.fromkeys(choosing.complete(reference, store) for reference in also)
    found = {f"run:{run_id}/{name}": name for name in ("twin", "teacher") if name in measured}
    found |= {reference: name for name, reference in _pruned(run_id, store)}
    further = [each for each in named if each not in {*found, f"run:{run_id}/student"}]
    found |= {reference: _name(reference, store) for reference in further}
    return [(name, reference, reference in named) for reference, name in found.items()]


def _name(reference: str, store: Store) -> str:
    """What a further network is called in the table: the student of a run, or a file's name."""
    run_id, _, network = reference.removeprefix(RUN).partition("/")
    if reference.startswith(RUN) and run_id in store.ids():
        return f"{network} of {store.state(run_id).name}"
    return Path(reference).stem if reference.endswith(SAFETENSORS) else reference


def _pruned(run_id: str, store: Store) -> list[tuple[str, str]]:
    """The fine-tuned students of runs whose student was pruned from this run's: name and reference."""
    found = []
    for state in store.states():
        if state.status != "finished" or state.id == run_id:
            continue
        try:
            weights = store.recipe(state.id).student.reference
            origin = (
                weight_header.description(weight_file(weights.path)).get("pruning", {})
                if isinstance(weights, WeightFile)
                else {}
            )
        except UserError:  # a recipe or a file that cannot be read any more
            continue
        if origin.get("of") == f"run:{run_id}/student":
            before, after = origin["macs"]
            found.append(
                (f"student pruned to {100 * after / before:.0f} % by {origin['score']}", f"run:{state.id}/student")
            )
    return found


def _form(name: str, reference: str, store: Store, report: Report) -> _Form:
    report(f"{name}: exporting")
    chosen = choosing.chosen(reference, store)
    model = onnx_graph.exported(chosen.network).model
    _describe(model, chosen)
    return _Form(name, chosen, model)


def _describe(model: Any, chosen: Chosen) -> None:
    for name, value in card.metadata(chosen, "").items():
        model.metadata_props.add(key=name, value=value)


def _measure_accuracy(forms: list[_Form], at_most: int | None, notes: list[str], report: Report) -> Split | None:
    """Logits of every form on the student's test images; the images, None where they are not here."""
    data = forms[0].chosen.data
    if data is None:
        notes.append(f"No accuracy: {forms[0].chosen.why}")
        return None
    try:
        images = evaluating.images_of(data, at_most)
    except UserError as error:
        notes.append(f"No accuracy: {error}")
        return None
    for form in forms:
        if form.chosen.network.classes != images.classes:
            notes.append(f"{form.name}: no accuracy, as it predicts other classes than the data has.")
            continue
        side = form.chosen.network.image_size
        if side != data.image_size:
            own = evaluating.images_of(data.model_copy(update={"image_size": side}), at_most)
        else:
            own = images
        report(f"{form.name}: {len(own):,} test images")
        form.logits = evaluating.logits(Session(form.model.SerializeToString()), own)
    return images


def _against(forms: list[_Form], images: Split | None, notes: list[str]) -> list[str]:
    """What may be claimed of each network against the first, the student in float32; what the intervals cover goes to the notes."""
    student, *others = forms
    measured = {str(place): form.logits for place, form in enumerate(others, 1) if form.logits is not None}
    if images is None or student.logits is None:
        return [""] * len(forms)
    found = evaluating.differences(measured, student.logits, images)
    if any(each.bounded for each in found.values()):
        notes.append(
            f"{corrected(found.values())} One seed: the intervals cover the choice of the test images.".lstrip()
        )
    claims = {place: claim(each, f"the {forms[int(place)].name}", "the student") for place, each in found.items()}
    return [claims.get(str(place), "") for place in range(len(forms))]


def _row(form: _Form, images: Split | None, against: str, times: dict[str, Any], grown: int) -> Row:
    network = form.chosen.network
    found: dict[str, float | None] = {"top1": None, "low": None, "high": None}
    if form.logits is not None and images is not None:
        figures = evaluating.figures(form.logits, images)
        found = {name: figures[name] for name in found}
    latencies = {"cpu": times}
    if form.in_float and torch.cuda.is_available():
        latencies["gpu"] = _on_gpu(network)
    return Row(
        form.name, **found, file_bytes=form.file.stat().st_size, parameters=models.parameters(network),
        macs=models.flops(network) // 2, latency=latencies, memory=grown, against=against,
    )  # fmt: skip


def _measured(*arguments: str) -> dict[str, Any]:
    """What `latency.py` prints, in a process without this package."""
    command = [sys.executable, latency.__file__, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"Measuring latency took more than {PATIENCE} seconds. Try again on a less busy machine."
        ) from None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _on_gpu(network: models.Tapped) -> dict[str, dict[str, float]]:
    """Latency in PyTorch, float32, synchronised after each run."""
    device = torch.device("cuda")
    placed, found = models.placed(network, device).eval(), {}
    try:
        for count in latency.BATCHES:
            images = torch.rand(count, 3, network.image_size, network.image_size, device=device)
            taken = []
            for turn in range(-GPU_WARMUP, GPU_RUNS):
                torch.cuda.synchronize()
                start = time.perf_counter()
                with torch.no_grad():
                    placed(images)
                torch.cuda.synchronize()
                if turn >= 0:
                    taken.append(1000 * (time.perf_counter() - start))
            middle, slow = np.percentile(taken, [50, 95])
            found[str(count)] = {"runs": len(taken), "median": float(middle), "p95": float(slow)}
    finally:
        network.to("cpu")
    return found


def _cpu() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
