"""Import of weights from outside: files of training scripts and folders of the hub, into a file that names its model."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kdcore.errors import UserError, clipped, shortened
from kdcore.models import fitting, matching, weight_files, zoo
from kdcore.models.importing import class_names, files, hub_folder
from kdcore.models.tapped import Statistics, Tapped
from kdcore.recipe import weight_header

Report = Callable[[str], None]


class NotGiven(UserError):
    """Something that the files do not say, so that it must be given: `lacks` is `model` or `classes`.

    outputs: of the classifier whose classes are not known.
    """

    def __init__(self, message: str, lacks: str = "model", outputs: int = 0) -> None:
        super().__init__(message)
        self.lacks, self.outputs = lacks, outputs


def import_weights(
    sources: list[Path],
    model: str | None = None,
    classes: tuple[str, ...] | None = None,
    image_size: int | None = None,
    mean: Statistics | None = None,
    std: Statistics | None = None,
    *,
    out: Path,
    options: dict[str, Any] | None = None,
    ema: bool = True,
    prefix: str = "",
    report: Report = lambda text: None,
) -> Tapped:
    """Convert weights from outside into a safetensors file that names its model.

    What is not given comes from the files (a config.json, a training script's arguments), else from the model; classes also
    from ImageNet, where the classifier has as many outputs as one of its lists.

    Args:
        sources: files or folders, read without running any code in them; a later one updates an earlier.
        image_size: pixels; a position embedding for another size is resized.
        ema: take averaged weights (EMA) where a file has them beside others.
        prefix: use the tensors whose names begin with it, where a file has several networks.
        report: called with a sentence on each choice and change.

    Raises:
        NotGiven: neither the files nor the caller name the model, or the classes.
        UserError: a file holds no weights, or the tensors are not the model's; how to fix it.
    """
    _check_given(
        image_size=image_size, mean=mean and list(mean), std=std and list(std), classes=classes and list(classes)
    )
    hub_folder.parts([each for each in sources if hub_folder.PART.fullmatch(each.name)])
    found = [files.read(each, ema=ema, report=report) for each in sources]
    known = {key: value for each in found for key, value in each.description.items()}
    source = " + ".join(each.name for each in sources)
    name = _model(source, model, known)
    if name != known.get("model"):  # described for another network
        known.pop("options", None)
    options = {**known.get("options", {}), **(options or {})}
    side = image_size or known.get("image_size") or zoo.default_image_size(name)
    of_two = zoo.create(name, 2, side, options)
    state: dict[str, Tensor] = {}
    for each in found:
        state.update(matching.matched(_beginning_with(each.tensors, prefix, source), of_two, report))
    classes = _classes(source, state, of_two, classes, known.get("classes"))
    net = zoo.create(name, len(classes), side, options) if classes else of_two
    missing_head = _filled(net, state, source, name, with_classifier=bool(classes))
    imported = _described(net, name, classes, side, options, mean or known.get("mean"), std or known.get("std"))
    weight_files.save(imported, out, without=missing_head)
    return imported


def _filled(net: nn.Module, state: dict[str, Tensor], source: str, name: str, *, with_classifier: bool) -> list[str]:
    """Load the weights into the network. Returns the names of the tensors that keep their random weights: of a classifier that the
    files do not have."""
    missing_head = [] if with_classifier else fitting.classifier_names(net)
    own = net.state_dict()
    fitting.fill(net, {**state, **{key: own[key] for key in missing_head}}, source, name)
    return missing_head


def _described(
    net: nn.Module, name: str, classes: tuple[str, ...], side: int, options: dict[str, Any],
    mean: Statistics | None, std: Statistics | None,
) -> Tapped:  # fmt: skip
    """The network with what its weight file says of it; the model's usual statistics where none are known."""
    usual_mean, usual_std = zoo.statistics(name)
    return Tapped(
        net, name=name, classes=classes, image_size=side, mean=mean or usual_mean, std=std or usual_std, options=options
    ).eval()


def _check_given(**settings: Any) -> None:
    """Refuse settings that a weight file's header may not have. Raises UserError."""
    for name, value in settings.items():
        fits, wanted = weight_header.ENTRIES[name]
        if value is not None and not fits(value):
            raise UserError(f"{name} should be {wanted}, not {shortened(value)}.")
    names = settings.get("classes") or []
    if "" in names or len(set(names)) < len(names):
        twice = next((name for name, count in Counter(names).items() if count > 1), "")
        raise UserError(
            f"classes should be different names: {f'{clipped(twice, 80)!r} is there twice' if twice else 'one is empty'}."
        )


def _model(source: str, given: str | None, known: dict[str, Any]) -> str:
    if name := given or known.get("model"):
        zoo.check(name)
        return str(name)
    raise NotGiven(f"{source} does not name the network that its weights belong to: give it with --model NAME.")


def _beginning_with(state: dict[str, Tensor], prefix: str, source: str) -> dict[str, Tensor]:
    prefix = f"{prefix.removesuffix('.')}." if prefix else ""
    kept = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    if not kept:
        begins = ", ".join(sorted({name.partition(".")[0] for name in state})[:8])
        raise UserError(f"{source} has no tensors whose names begin with {prefix!r}; they begin with {begins}.")
    return kept


def _classes(
    source: str, state: dict[str, Tensor], net: nn.Module, given: tuple[str, ...] | None, known: list[str] | None
) -> tuple[str, ...]:
    """The classes of the file's classifier: those given, else the file's own, else ImageNet's; none where it has none."""
    names = fitting.classifier_names(net)
    outputs = next((len(state[name]) for name in names if name in state and state[name].dim()), None)
    if outputs is None and given is None:
        return ()
    if outputs is None:
        raise UserError(
            f"{source} has no classifier of this network ({', '.join(names) or 'none is known'}), so it predicts no classes: import it "
            "without them, and a recipe that trains or fine-tunes the network gives it a new classifier."
        )
    if given is not None and len(given) != outputs:
        raise UserError(
            f"{source} has a classifier with {outputs} outputs; {len(given)} classes were given. Import it with its own classes "
            f"(--classes FILE with {outputs} names); for other data a recipe fine-tunes it (teacher.finetune: {{epochs: 3}}), "
            "with a new classifier."
        )
    if found := given or (class_names.of_imagenet(outputs) if not known else known if len(known) == outputs else None):
        return tuple(found)
    names_them = f"names {len(known)} classes, but its classifier has {outputs} outputs" if known else ""
    raise NotGiven(
        f"{source} {names_them or f'does not name the {outputs} classes of its classifier'}: give them with --data NAME, --path FOLDER (of class "
        "folders) or --classes FILE (a name a line, in the order of the outputs).",
        "classes",
        outputs,
    )
