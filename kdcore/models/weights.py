"""Where weights come from and go to: safetensors files that know their model, bundled models, earlier runs."""

import difflib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kdcore.folders import ASSETS, weight_file
from kdcore.models import mapping, zoo
from kdcore.models.tapped import Statistics, Tapped
from kdcore.models.taps import classifiers
from kdcore.recipe import ModelRecipe, TeacherRecipe

if TYPE_CHECKING:
    from kdcore.store import Store

Report = Callable[[str], None]
NETWORKS = ("student", "twin", "teacher")
NO_SNAPSHOTS = (
    "it kept none along the way, as runs of earlier versions and recordings; train its recipe again to have them"
)
PICKLES = (".pt", ".pth", ".th", ".bin", ".ckpt", ".pkl", ".tar")


@dataclass(frozen=True)
class Source:
    """A network's tensors in a file: those that begin with `prefix`; and what the file says of the network, if it does."""

    path: Path
    prefix: str = ""
    description: dict[str, Any] | None = None


def build(
    spec: ModelRecipe,
    classes: tuple[str, ...],
    image_size: int,
    *,
    runs: "Store | None" = None,
    report: Report = lambda text: None,
) -> Tapped:
    """The network that a recipe names, with its weights, for given classes and image size.

    A classifier for other classes is replaced by a new one, which is reported; but not a teacher's that is not
    fine-tuned: its answers would be random. With `map_classes` a teacher's keeps these classes, found by their names.

    Raises:
        ValueError: no such model or weights, weights of another model, or a teacher that answers other questions.
    """
    if spec.weights in ("none", "pretrained"):
        return _from_zoo(spec, classes, image_size, report)
    source = find(spec.weights, runs)
    if isinstance(source, ModelRecipe):
        inherited = {"model": source.model, "weights": source.weights, "options": {**source.options, **spec.options}}
        own: dict[str, Any] = {"mean": spec.mean or source.mean, "std": spec.std or source.std}
        if isinstance(spec, TeacherRecipe) and isinstance(source, TeacherRecipe):
            own["map_classes"] = spec.map_classes or source.map_classes
        return build(spec.model_copy(update={**inherited, **own}), classes, image_size, runs=runs, report=report)
    return _from_file(spec, source, classes, image_size, report)


def load(reference: str, *, runs: "Store | None" = None) -> Tapped:
    """A trained model by its reference: a bundled model's name, `run:ID/student` (or twin, teacher), or a .safetensors file.

    `run:ID/student@STEP` is the network as it was at one of the run's snapshots, see `Store.snapshots`.

    Raises:
        ValueError: there is no such thing, or the file does not know its model.
    """
    source = find(reference, runs)
    if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
        assert runs is not None
        described = _teacher_description(reference, runs)
        return build(source, tuple(described["classes"]), described["image_size"], runs=runs)
    if source.description is None or "classes" not in source.description:
        raise ValueError(
            f"{source.path} does not say which model its weights belong to. Write it again with `python -m kdcore "
            "import-weights`, which names the model, or use it in a recipe that names the `model`."
        )
    known = source.description
    spec = ModelRecipe(model=known["model"], weights=reference)
    return _from_file(spec, source, tuple(known["classes"]), known["image_size"], lambda text: None)


def save(model: Tapped, path: Path, *, dtype: torch.dtype | None = None, card: dict[str, Any] | None = None) -> None:
    """Write a model as safetensors, under the network's own tensor names, with what it takes to build it in the header.

    Args:
        dtype: of the stored matrices; vectors (norms, biases, running statistics) stay float32, as they cost next to nothing.
        card: more to put into the header.
    """
    tensors = {}
    for name, tensor in model.net.state_dict().items():
        narrow = dtype is not None and tensor.is_floating_point() and tensor.dim() > 1
        kept = tensor.detach().to("cpu", dtype if narrow else tensor.dtype, copy=True)
        tensors[name] = kept.contiguous()
    header = {"kdcore": json.dumps({**model.description(), **(card or {})}), "format": "pt"}
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.half")  # two processes may write the same teacher
    save_file(tensors, half, metadata=header)
    os.replace(half, path)


def import_weights(
    sources: list[Path],
    model: str,
    classes: tuple[str, ...],
    image_size: int,
    mean: Statistics | None = None,
    std: Statistics | None = None,
    *,
    out: Path,
    options: dict[str, Any] | None = None,
) -> Tapped:
    """Turn state dicts from elsewhere into a safetensors file that knows its model.

    Args:
        sources: .pth, .th or .safetensors files, read without running any code in them; a later one updates an earlier.

    Raises:
        ValueError: a file holds no state dict, or the tensors are not the model's; lists the difference.
    """
    state: dict[str, Tensor] = {}
    for file in sources:
        state.update(_state_dict(file))
    net = zoo.create(model, len(classes), image_size, options)
    _fill(net, state, f"{' + '.join(file.name for file in sources)}", model)
    known_mean, known_std = zoo.statistics(model)
    tapped = Tapped(
        net,
        name=model,
        classes=classes,
        image_size=image_size,
        mean=mean or known_mean,
        std=std or known_std,
        options=options,
    ).eval()
    save(tapped, out)
    return tapped


def bundled() -> dict[str, dict[str, Any]]:
    """The models that come with the project: name -> card."""
    cards = sorted((ASSETS / "models").glob("*.json"))
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in cards
        if file.with_suffix(".safetensors").is_file()
    }


def find(reference: str, runs: "Store | None" = None) -> Source | ModelRecipe:
    """Where the weights behind a reference lie. A run's teacher that was not fine-tuned is its recipe's teacher.

    Raises:
        ValueError: nothing is there; says what is.
    """
    if (file := ASSETS / "models" / f"{reference}.safetensors").is_file():
        return _described(file)
    if reference.startswith("run:"):
        if runs is None:
            raise ValueError(f"{reference} is a run, and no folder of runs was given to look in.")
        return _in_run(reference, runs)
    path = Path(reference).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ValueError(
            f"{reference} is a pickle, which can run any code when it is opened, so it is not. Turn it into safetensors once, "
            f"if you trust it: python -m kdcore import-weights {reference} --model NAME --data DATA --out {path.stem}.safetensors"
        )
    if path.suffix == ".safetensors":
        file = weight_file(reference)
        if not file.is_file():
            looked = f"{path}" if file == path else f"{path}, nor {file}"
            raise ValueError(f"There is no weight file {looked}. docs/results.md says where the public ones come from.")
        return _described(file)
    if runs is not None and reference.partition("/")[0] in runs.ids():
        return _in_run(f"run:{reference}", runs)
    known = sorted(bundled())
    near = difflib.get_close_matches(reference, known, n=3)
    raise ValueError(
        f"There are no weights {reference!r}."
        + (f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else "")
        + f" Bundled: {', '.join(known) or 'none'}. Otherwise run:ID/student (`python -m kdcore runs` lists the runs) or the path of "
        "a .safetensors file."
    )


def _from_zoo(spec: ModelRecipe, classes: tuple[str, ...], image_size: int, report: Report) -> Tapped:
    name = spec.model
    assert name is not None
    if spec.weights == "none":
        net = zoo.create(name, len(classes), image_size, spec.options)
    elif _maps(spec):
        names = zoo.class_names(name)
        net, _ = zoo.pretrained(name, len(names), image_size, spec.options)
        _keep(net, names, classes, f"The pretrained {name}", report)
    else:
        net, knows_classes = zoo.pretrained(name, len(classes), image_size, spec.options)
        if not knows_classes:
            _refuse_new_classifier(spec, f"The pretrained {name} answers other classes than these {len(classes)}")
            report(f"{name} gets a new classifier for {len(classes)} classes; the rest is pretrained.")
    return _tapped(net, spec, name, classes, image_size, zoo.statistics(name), spec.options)


def _from_file(spec: ModelRecipe, source: Source, classes: tuple[str, ...], image_size: int, report: Report) -> Tapped:
    known = source.description or {}
    name = spec.model or known.get("model")
    if name is None:
        raise ValueError(f"{source.path} does not say which model its weights belong to: name it in `model`.")
    if known.get("model", name) != name:
        raise ValueError(
            f"{spec.weights} holds weights of {known['model']!r}, not of {name!r}: leave `model` out or name that one."
        )
    options = {**known.get("options", {}), **spec.options}
    theirs = tuple(known.get("classes", ()))
    mapped = _maps(spec) and theirs != classes
    if mapped and not theirs:
        raise ValueError(f"{source.path} does not name its classes, so they cannot be mapped: leave `map_classes` out.")
    net = zoo.create(name, len(theirs if mapped else classes), image_size, options)
    state = zoo.fit_positions(_tensors(source), net)
    if known.get("image_size", image_size) != image_size:
        report(f"{spec.weights} was trained on images of {known['image_size']} px, here they have {image_size} px.")
    head = _head_names(net)
    own = net.state_dict()
    counts_differ = any(key in state and state[key].shape[:1] != own[key].shape[:1] for key in head)
    if not mapped and (counts_differ or (theirs and theirs != classes)):
        had = len(theirs) or next(state[key].shape[0] for key in head if key in state)
        if counts_differ or _may_replace(spec):
            _refuse_new_classifier(spec, f"{spec.weights} answers {had} classes, not these {len(classes)}")
            state = {**state, **{key: own[key] for key in head}}
            report(f"{spec.weights} answers {had} classes, other than these {len(classes)}: it gets a new classifier.")
            theirs = classes
    _fill(net, state, spec.weights, name)
    if mapped:
        _keep(net, tuple((each,) for each in theirs), classes, spec.weights, report)
        theirs = classes
    mean, std = zoo.statistics(name)
    stored = tuple(known.get("mean", mean)), tuple(known.get("std", std))
    return _tapped(net, spec, name, theirs or classes, image_size, stored, options)


def _tapped(
    net: nn.Module,
    spec: ModelRecipe,
    name: str,
    classes: tuple[str, ...],
    image_size: int,
    statistics: tuple[Statistics, Statistics],
    options: dict[str, Any],
) -> Tapped:
    mean, std = spec.mean or statistics[0], spec.std or statistics[1]
    tapped = Tapped(net, name=name, classes=classes, image_size=image_size, mean=mean, std=std, options=options)
    tapped.came_with = statistics
    return tapped


def _maps(spec: ModelRecipe) -> bool:
    return isinstance(spec, TeacherRecipe) and spec.map_classes


def _keep(net: nn.Module, theirs: tuple[mapping.Names, ...], ours: tuple[str, ...], whose: str, report: Report) -> None:
    kept = mapping.places(theirs, ours)
    mapping.keep_classes(net, kept)
    if kept != list(range(len(theirs))):
        report(f"{whose} answers {len(theirs)} classes; the data's {len(ours)} are kept of them, found by their names.")


def _may_replace(spec: ModelRecipe) -> bool:
    """A student trains anyway, a teacher only where it is fine-tuned."""
    return not isinstance(spec, TeacherRecipe) or spec.finetune is not None


def _refuse_new_classifier(spec: ModelRecipe, what: str) -> None:
    if not _may_replace(spec):
        raise ValueError(
            f"{what}, so its answers would be random. Fine-tune the teacher on this data (teacher.finetune: {{epochs: 3}}), or "
            "choose weights that were trained on it (python -m kdcore doctor lists the bundled ones)."
        )


def _head_names(net: nn.Module) -> list[str]:
    heads = classifiers(net)
    return [f"{path}.{key}" for path, module in net.named_modules() if module in heads for key in module.state_dict()]


def _fill(net: nn.Module, state: dict[str, Tensor], source: str, model: str) -> None:
    """Load a state strictly; a difference is told by name and shape."""
    own = net.state_dict()
    counters = {name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")}
    state = {**counters, **state}  # files from before PyTorch 0.4.1 have no such counters; nothing reads them here
    # BatchNorm counts its batches only since torch 0.4.1; load_state_dict knows
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    problems = [f"missing: {name} {_shape(own[name])}" for name in missing]
    problems += [f"unknown: {name} {_shape(state[name])}" for name in state if name not in own]
    problems += [
        f"{name} has shape {_shape(state[name])}, the model wants {_shape(own[name])}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        shown = "\n".join(f"  - {problem}" for problem in problems[:12])
        more = f"\n  and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise ValueError(f"The weights {source} do not fit {model}:\n{shown}{more}")
    net.load_state_dict(state)


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))


def _tensors(source: Source) -> dict[str, Tensor]:
    """Float tensors come as float32, whatever they are stored as."""
    with safe_open(source.path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(source.prefix)}  # noqa: SIM118
    return {
        name.removeprefix(source.prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def _header(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {}).get("kdcore", "null")) or {}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is not a safetensors file, or it is damaged: {error}") from None


def _described(path: Path) -> Source:
    return Source(path, description=_header(path) or None)


def _in_run(reference: str, runs: "Store") -> Source | ModelRecipe:
    run_id, _, network = reference.removeprefix("run:").partition("/")
    network, _, step = (network or "student").partition("@")
    if network not in NETWORKS:
        raise ValueError(f"A run has no {network!r}; it has {', '.join(NETWORKS)}.")
    recipe, folder = runs.recipe(run_id), runs.folder(run_id)
    if network == "teacher":
        if step:
            raise ValueError(
                f"The teacher of run {run_id} does not change: ask for run:{run_id}/teacher, without @{step}."
            )
        if recipe.teacher is None:
            raise ValueError(f"Run {run_id} has no teacher.")
        if (file := folder / "teacher.safetensors").is_file():
            return _described(file)
        if recipe.teacher.finetune is None:
            return recipe.teacher
        raise ValueError(f"The teacher of run {run_id} is not fine-tuned yet.")
    checkpoint = _snapshot(run_id, step, runs) if step else runs.checkpoint(run_id)
    if checkpoint is None:
        raise ValueError(f"Run {run_id} has no checkpoint yet, so there is no {network} to load.")
    described = _header(checkpoint)
    prefix = f"{network}.net."
    with safe_open(checkpoint, framework="pt") as file:
        there = any(name.startswith(prefix) for name in file.keys())  # noqa: SIM118
    if not there:
        raise ValueError(f"Run {run_id} has no {network}.")
    return Source(checkpoint, prefix, described[network])


def _snapshot(run_id: str, step: str, runs: "Store") -> Path:
    kept = runs.snapshots(run_id)
    if step.isdecimal() and int(step) in kept:
        return kept[int(step)]
    there = f"its snapshots are of steps {', '.join(map(str, kept))}" if kept else NO_SNAPSHOTS
    raise ValueError(f"Run {run_id} has no snapshot @{step}: {there}.")


def _teacher_description(reference: str, runs: "Store") -> dict[str, Any]:
    """The classes and image size that a run's teacher was used with."""
    run_id = reference.removeprefix("run:").partition("/")[0]
    checkpoint = runs.checkpoint(run_id)
    described = _header(checkpoint) if checkpoint else {}
    if "teacher" in described:
        return described["teacher"]
    state, recipe = runs.state(run_id), runs.recipe(run_id)
    if not state.classes:
        raise ValueError(f"Run {run_id} has not started, so its teacher's classes are not known yet.")
    return {"classes": list(state.classes), "image_size": recipe.data.image_size}


def _state_dict(file: Path) -> dict[str, Tensor]:
    """The state dict in a file, out of the wrappings that training scripts put around it."""
    if file.suffix == ".safetensors":
        return _tensors(Source(file))
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"There is no file {file}.") from None
    except Exception as error:  # pickle raises nearly anything over a file that is not one of its own
        raise ValueError(f"{file} cannot be read as plain tensors: {str(error).splitlines()[0]}") from None
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise ValueError(f"{file} holds no state dict: {type(found).__name__} with something other than tensors in it.")
    return {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in found.items()
    }
