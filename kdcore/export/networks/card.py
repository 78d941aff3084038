"""What is known of an exported network, as plain data: its description, run, accuracy with interval, and hash."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from kdcore import __version__, models
from kdcore.data import loading
from kdcore.errors import UserError
from kdcore.export.networks.choosing import Chosen
from kdcore.models import Tapped
from kdcore.results import json_text, metrics
from kdcore.training import evaluation


def content(chosen: Chosen, file: Path, **more: Any) -> str:
    """The card of a written file, as JSON."""
    found = {
        **chosen.network.description(),
        "parameters": models.parameters(chosen.network),
        **origin(chosen),
        **more,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
    }
    return json_text.text(found, indent=2) + "\n"


def origin(chosen: Chosen) -> dict[str, Any]:
    """The run that a network comes from; empty for a bundled model or a file."""
    if chosen.run is None or chosen.recipe is None:
        return {}
    return {
        "run": chosen.run.id,
        "network": chosen.name,
        "recipe": chosen.recipe.without_folders().model_dump(mode="json", exclude_defaults=True),
        "device": chosen.run.device,
        "seconds": round(chosen.run.active_seconds),
        "date": time.strftime("%Y-%m-%d", time.localtime(chosen.run.updated)),
    }


def metadata(chosen: Chosen, kind: str, **more: Any) -> dict[str, str]:
    """What an ONNX file says of itself: names to texts, of which classes, mean and std are JSON."""
    described = chosen.network.description()
    found = {
        "classes": json.dumps(list(chosen.network.classes)),
        "image_size": str(chosen.network.image_size),
        "run": chosen.run.id if chosen.run else "",
        "network": chosen.name,
        "model": chosen.network.name,
        "mean": json.dumps(described["mean"]),
        "std": json.dumps(described["std"]),
        "input": "float32 [batch, 3, image_size, image_size], RGB in [0, 1]; the normalisation is inside",
        "kind": kind,
        "kdcore": __version__,
        **more,
    }
    return {name: str(value) for name, value in found.items() if value != ""}


def measured(network: Tapped, chosen: Chosen) -> tuple[dict[str, Any], str]:
    """The accuracy of a network in PyTorch on the test images; or empty, and why it was not measured. Downloads nothing."""
    if chosen.data is None:
        return {}, chosen.why
    try:
        images = loading.load(chosen.data, "test")
    except UserError as error:
        return {}, str(error)
    found = evaluation.evaluate(network, images)
    low, high = metrics.wilson(round(found["top1"] * found["count"]), int(found["count"]))
    return accuracy(chosen, {**found, "low": low, "high": high}), ""


def accuracy(chosen: Chosen, figures: dict[str, float]) -> dict[str, Any]:
    """The entries of a card on accuracy, from figures with an interval."""
    assert chosen.data is not None
    return {
        "data": {"name": chosen.data.name, "split": "test", "images": int(figures["count"])},
        "accuracy": {name: figures[name] for name in ("top1", "low", "high", "nll", "ece")},
    }
