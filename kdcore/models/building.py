"""Networks of recipes with their weights: random, pretrained, or from a file or run."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kdcore.errors import UserError
from kdcore.models import fitting, matching, pruned, weight_files, zoo
from kdcore.models import pretrained as zoo_weights
from kdcore.models.fitting import Report
from kdcore.models.sources import Source, find, inherited, resolved, teacher_description
from kdcore.models.tapped import Statistics, Tapped
from kdcore.recipe import ModelRecipe, TeacherRecipe
from kdcore.recipe.references import LibraryNetwork, Pretrained, RandomWeights, RunNetwork

if TYPE_CHECKING:
    from kdcore.store import Store


def build(
    spec: ModelRecipe,
    classes: tuple[str, ...],
    image_size: int,
    *,
    runs: "Store | None" = None,
    report: Report = lambda text: None,
    download: bool = False,
    own_classes: bool = False,
) -> Tapped:
    """The network that a recipe names, with its weights, for given classes and image size.

    A classifier for other classes is replaced by a new one, which is reported; but refused for a teacher that is not
    fine-tuned, whose predictions would be random. With `map_classes` a teacher's is reduced to these classes, found by name.

    Args:
        download: whether pretrained weights may be downloaded; only the start of a run sets it.
        own_classes: keep the classifier and classes of the weights, or none where they have none: for a teacher whose
            logits no term reads.

    Raises:
        NotHere: pretrained weights are not on this machine and may not be downloaded.
        UserError: no such model or weights, weights of another model, or a teacher with other classes.
    """
    if isinstance(spec.reference, RandomWeights | Pretrained):
        return _from_zoo(spec, classes, image_size, report, download, own_classes)
    source = find(spec.weights, runs)
    if isinstance(source, ModelRecipe):
        spec = inherited(spec, source)
        return build(spec, classes, image_size, runs=runs, report=report, download=download, own_classes=own_classes)
    if source.note:
        report(source.note)
    if origin := (source.description or {}).get("pruning"):
        report(pruned.in_words(origin))
    return _from_file(spec, source, classes, image_size, report, own_classes)


def load(reference: str, *, runs: "Store | None" = None, report: Report = lambda text: None) -> Tapped:
    """A trained model by its reference: a bundled model's name, `run:ID/student` (or twin, teacher), `pretrained:NAME`, or a
    .safetensors file.

    `run:ID/student@STEP` is the network as it was at one of the run's snapshots, see `Store.snapshots`.

    Args:
        report: is given a sentence where a run's newest checkpoint is damaged and an older one was read.

    Raises:
        NotHere: a library's weights that are not on this machine: nothing is downloaded.
        UserError: there is no such model, the file does not name its model, or it has NaN or infinite values.
    """
    source = find(reference, runs)
    if isinstance(of_library := resolved(reference, runs), LibraryNetwork):
        return _of_library(of_library.name)
    if isinstance(source, ModelRecipe):  # a run's teacher that was not fine-tuned
        of_run = resolved(reference, runs)
        assert runs is not None
        assert isinstance(of_run, RunNetwork)
        described = teacher_description(of_run.run_id, runs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(runs.recipe(of_run.run_id).seeds[0])  # as the run drew random weights
            taught = build(source, tuple(described["classes"]), described["image_size"], runs=runs, own_classes=True)
        if not taught.classes:
            raise UserError(f"The teacher of run {of_run.run_id} has no classifier, so it predicts no classes.")
        return taught
    if source.description and "model" in source.description and "classes" not in source.description:
        raise UserError(
            f"{source.path} has weights of {source.description['model']} without a classifier, so it predicts no classes: use it in a "
            "recipe that trains or fine-tunes the network."
        )
    if source.description is None or not {"model", "classes", "image_size"} <= source.description.keys():
        raise UserError(
            f"{source.path} does not say which model its weights belong to. Write it again with `python -m kdcore "
            "import-weights`, which names the model, or use it in a recipe that names the `model`."
        )
    if source.note:
        report(source.note)
    known = source.description
    spec = ModelRecipe(model=known["model"], weights=reference)
    return _from_file(spec, source, tuple(known["classes"]), known["image_size"], lambda text: None)


def _of_library(name: str) -> Tapped:
    """A library's network with the classes, image size and normalisation of its pretrained weights."""
    zoo.check(name)
    count = zoo.pretrained_classes(name)
    if not count and zoo_weights.found(name):
        raise UserError(
            f"The pretrained {name} has no classifier, so it predicts no classes: a recipe can fine-tune it."
        )
    side = zoo.default_image_size(name)
    net, _ = zoo_weights.pretrained(name, count, side, download=False)
    mean, std = zoo.statistics(name)
    classes = zoo.names_of_outputs(name, count)
    return Tapped(net, name=name, classes=classes, image_size=side, mean=mean, std=std).eval()


def missing(spec: ModelRecipe, runs: "Store | None" = None) -> str:
    """A sentence on weights that `build` would have to download; empty where there are none.

    Raises:
        UserError: there are no such weights.
    """
    if isinstance(spec.reference, Pretrained):
        assert spec.model is not None
        return zoo_weights.missing(spec.model)
    source = None if isinstance(spec.reference, RandomWeights) else find(spec.weights, runs)
    return missing(source, runs) if isinstance(source, ModelRecipe) else ""


def _from_zoo(
    spec: ModelRecipe, classes: tuple[str, ...], image_size: int, report: Report, download: bool, own_classes: bool
) -> Tapped:
    name = spec.model
    assert name is not None
    if isinstance(spec.reference, RandomWeights):
        net = zoo.create(name, len(classes), image_size, spec.options)
    elif fitting.maps_classes(spec):
        names = zoo.class_names(name)
        net, _ = zoo_weights.pretrained(name, len(names), image_size, spec.options, download=download)
        fitting.keep_classes(net, names, classes, f"The pretrained {name}", report)
    elif own_classes and not _may_train(spec):
        count = zoo.pretrained_classes(name)
        net, _ = zoo_weights.pretrained(name, count, image_size, spec.options, download=download)
        if count != len(classes):
            classes = zoo.names_of_outputs(name, count)
            report(_unused(f"The pretrained {name}", count))
    else:
        net, knows_classes = zoo_weights.pretrained(name, len(classes), image_size, spec.options, download=download)
        if not knows_classes:
            known_classes = f"The pretrained {name} has other classes than these {len(classes)}"
            fitting.check_new_classifier(spec, known_classes)
            report(f"{name} gets a new classifier for {len(classes)} classes; the rest is pretrained.")
    return _tapped(net, spec, name, classes, image_size, zoo.statistics(name), spec.options)


def _from_file(
    spec: ModelRecipe,
    source: Source,
    classes: tuple[str, ...],
    image_size: int,
    report: Report,
    own_classes: bool = False,
) -> Tapped:
    known = source.description or {}
    name = _model_name(spec, source)
    options = {**known.get("options", {}), **spec.options}
    weight_classes = tuple(known.get("classes", ()))
    mapped = fitting.maps_classes(spec) and weight_classes != classes
    if mapped and not weight_classes:
        raise UserError(f"{source.path} does not name its classes, so they cannot be mapped: leave `map_classes` out.")
    keeps_own = own_classes and not mapped and not _may_train(spec)
    outputs = weight_classes if mapped or (keeps_own and weight_classes) else classes
    net = zoo.create(name, len(outputs), image_size, options)
    if known.get("image_size", image_size) != image_size:
        report(f"{spec.weights} was trained on images of {known['image_size']} px, here they have {image_size} px.")
    state = matching.matched(weight_files.read(source.path, source.prefix), net, report)
    if mapped:
        fitting.fill(net, state, spec.weights, name)
        fitting.keep_classes(net, tuple((each,) for each in weight_classes), classes, spec.weights, report)
        outputs = classes
    elif keeps_own and (weight_classes or fitting.lacks_classifier(state, net)):
        outputs = _filled_with_own(net, state, spec, name, weight_classes, classes, report)
    else:
        state, outputs = fitting.for_classes(state, net, spec, weight_classes, classes, report)
        fitting.fill(net, state, spec.weights, name)
    mean, std = zoo.statistics(name)
    stored = tuple(known.get("mean", mean)), tuple(known.get("std", std))
    return _tapped(net, spec, name, outputs, image_size, stored, options)


def _filled_with_own(
    net: nn.Module,
    state: dict[str, Tensor],
    spec: ModelRecipe,
    name: str,
    own: tuple[str, ...],
    classes: tuple[str, ...],
    report: Report,
) -> tuple[str, ...]:
    """Load weights that keep their own classes, which are returned; a classifier that the file lacks keeps its random weights."""
    random = net.state_dict()
    missing = {key: random[key] for key in fitting.classifier_names(net)}
    fitting.fill(net, {**missing, **state}, spec.weights, name)
    if len(own) != len(classes):
        report(_unused(spec.weights, len(own)))
    return own


def _may_train(spec: ModelRecipe) -> bool:
    return not isinstance(spec, TeacherRecipe) or spec.finetune is not None


def _unused(whose: str, classes: int) -> str:
    has = f"has {classes:,} classes, other than the data's" if classes else "has no classifier"
    return f"{whose} {has}. No term reads its logits, so its accuracy is not measured."


def _model_name(spec: ModelRecipe, source: Source) -> str:
    """What the recipe and the file agree on."""
    known = (source.description or {}).get("model")
    name = spec.model or known
    if name is None:
        raise UserError(f"{source.path} does not say which model its weights belong to: name it in `model`.")
    if known not in (None, name):
        raise UserError(
            f"{spec.weights} holds weights of {known!r}, not of {name!r}: leave `model` out or name that one."
        )
    return name


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
