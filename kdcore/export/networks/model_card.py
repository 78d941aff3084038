"""The README.md of an exported folder: a model card with licence, data, results with intervals, teacher, recipe, and how to open it."""

from dataclasses import dataclass
from typing import Any

from kdcore import plugins
from kdcore.errors import visible
from kdcore.export import methods_text
from kdcore.export.networks.choosing import Chosen
from kdcore.recipe import yaml_text
from kdcore.results.comparison import covers, sentence, summarise
from kdcore.store import Store

NO_LICENCE = "unknown"  # one of the hub's values
MOST_CLASSES = 50  # that are written out; config.json has all


@dataclass(frozen=True)
class Row:
    """Accuracy of a network on the test images."""

    network: str
    top1: float
    low: float
    high: float
    images: int


def text(chosen: Chosen, measured: dict[str, Any], store: Store, *, licence: str, timm: bool) -> str:
    """The card.

    Args:
        measured: as `card.measured`; empty where the network was not measured.
        timm: whether timm opens the folder; otherwise the card says how kdcore does.
    """
    rows = _rows(chosen, measured)
    parts = [
        _front(chosen, rows, licence, timm),
        f"# {_title(chosen)}",
        _summary(chosen),
        "## Results\n\n" + _results(chosen, rows, store),
        "## Use\n\n" + _use(chosen, timm),
        _training(chosen),
        "## Classes\n\n" + _classes(chosen),
        "## Licence\n\n" + _licence(licence),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(chosen: Chosen, rows: list[Row], licence: str, timm: bool) -> str:
    library = "timm" if timm else "kdcore"
    plain: dict[str, Any] = {
        "license": licence,
        "library_name": library,
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "knowledge-distillation", library],
        "metrics": ["accuracy"],
    }
    if chosen.data and not chosen.data.path:  # the hub's name of a dataset, not of a folder here
        plain["datasets"] = [chosen.data.name]
    if chosen.data and (own := next((row for row in rows if row.network == chosen.name), None)):
        metric = {"type": "accuracy", "value": round(own.top1, 6), "name": f"top-1 on {own.images} test images"}
        plain["model-index"] = [{
            "name": _title(chosen),
            "results": [{
                "task": {"type": "image-classification"},
                "dataset": {"name": methods_text.images_of(chosen.data), "type": chosen.data.name, "split": "test"},
                "metrics": [metric],
            }],
        }]  # fmt: skip
    return f"---\n{yaml_text.written(plain).strip()}\n---"


def _title(chosen: Chosen) -> str:
    return _plain(f"{chosen.name} of {chosen.run.name}" if chosen.run else chosen.name)


def _summary(chosen: Chosen) -> str:
    what = f"{chosen.network.name}, {len(chosen.network.classes)} classes, images of {chosen.network.image_size} px"
    if chosen.recipe and chosen.recipe.teacher and chosen.name == "student":
        return f"{what}: a student, distilled from the teacher {_plain(methods_text.teacher(chosen.recipe))}."
    return f"{what}."


def _rows(chosen: Chosen, measured: dict[str, Any]) -> list[Row]:
    """The networks of the run, as it measured them; otherwise the network itself."""
    if chosen.run and chosen.run.results:
        found = [(name, chosen.run.results.get(name)) for name in ("student", "twin", "teacher")]
        return [
            Row(name, one["top1"], one["low"], one["high"], int(one["count"])) for name, one in found if one and "low" in one
        ]  # fmt: skip
    if "accuracy" not in measured:
        return []
    one = measured["accuracy"]
    return [Row(chosen.name, one["top1"], one["low"], one["high"], measured["data"]["images"])]


def _results(chosen: Chosen, rows: list[Row], store: Store) -> str:
    if not rows or chosen.data is None:
        return f"Not measured: {_plain(chosen.why)}" if chosen.why else "Not measured."
    lines = [
        f"Accuracy on the {rows[0].images:,} test images of {_plain(methods_text.images_of(chosen.data))}:",
        "",
        "| network | accuracy | 95 % interval |",
        "|---|---|---|",
    ]
    lines += [f"| {row.network} | {100 * row.top1:.2f} % | {100 * row.low:.2f} to {100 * row.high:.2f} % |" for row in rows]  # fmt: skip
    if chosen.run and chosen.run.results:
        summary = summarise([store.outcome(chosen.run.id)])
        lines += ["", f"Student - twin (the same network without a teacher): {sentence(summary)} {covers(summary)}"]
    return "\n".join(lines)


def _use(chosen: Chosen, timm: bool) -> str:
    side = chosen.network.image_size
    if timm:
        return (
            "```python\nimport timm\n\n"
            'network = timm.create_model("local-dir:FOLDER", pretrained=True).eval()\n'
            "config = timm.data.resolve_model_data_config(network)\n"
            "transform = timm.data.create_transform(**config, is_training=False)\n```\n\n"
            "FOLDER is the folder with this file. With kdcore: "
            '`kdcore.load("FOLDER/model.safetensors")`, which takes images in [0, 1].'
        )
    name = chosen.network.name
    needed = (
        f'kd.use_plugins("{name}.py")  # the network\'s file, which is not in this folder\n' if _plugin(name) else ""
    )
    return (
        f"timm does not have this network; `kdcore` opens it:\n\n```python\nimport kdcore as kd\n\n{needed}"
        f'network = kd.load("FOLDER/model.safetensors")  # images [B, 3, {side}, {side}] in [0, 1], RGB\n'
        "logits = network(images).logits  # in the order of network.classes\n```\n\n"
        "It normalises images itself. Where kdcore is not installed, export the network as ONNX instead: "
        f"`python -m kdcore export {chosen.reference} network.onnx`."
    )


def _plugin(name: str) -> bool:
    return name in plugins.parts("network")


def _training(chosen: Chosen) -> str:
    if chosen.run is None or chosen.recipe is None:
        return ""
    paragraph, cited = methods_text.paragraph(chosen.recipe, chosen.run)
    notes = "\n".join(f"{place}. {paper}, {address}" for place, (paper, address) in enumerate(cited, 1))
    recipe = visible(chosen.recipe.without_folders().to_yaml(), lines=True).replace("```", "'''")
    return (
        f"## Training\n\n{_plain(paragraph)}\n\n{notes}\n\nRun {chosen.run.id}. Its recipe:\n\n```yaml\n{recipe}\n```"
    )


def _classes(chosen: Chosen) -> str:
    names = chosen.network.classes
    listed = ", ".join(_plain(name) for name in names[:MOST_CLASSES])
    return listed + (f" and {len(names) - MOST_CLASSES:,} more (config.json)" if len(names) > MOST_CLASSES else "")


def _licence(licence: str) -> str:
    if licence != NO_LICENCE:
        return f"{_plain(licence)}, as stated when these weights were exported."
    return (
        "Not named. The licences of the data and of the teacher's weights may limit what these weights may be used for; "
        "`python -m kdcore export ... --format hub --license NAME` names one."
    )


def _plain(words: str) -> str:
    """A name from outside as text in Markdown: without markup, in one line."""
    return "".join(f"\\{each}" if each in "\\`*[]<>|#" else each for each in visible(words))
