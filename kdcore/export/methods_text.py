"""A run's recipe in sentences, as a paper's methods section states it, with the papers of the methods as citations."""

from kdcore.errors import UserError
from kdcore.paths import last_part
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, Term
from kdcore.recipe.models import TwinRecipe
from kdcore.recipe.references import RandomWeights
from kdcore.store import RunState

OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}


def paragraph(recipe: Recipe, run: RunState) -> tuple[str, list[tuple[str, str]]]:
    """The paragraph, with [1], [2] ... where it cites; and the citations as (text, address)."""
    cited: list[tuple[str, str]] = []
    data, lr, images = recipe.data, recipe.optimizer, _images(recipe)
    sentences = [
        _trained(recipe, run),
        f"{100 * data.label_noise:g} % of the training labels were made wrong." if data.label_noise else "",
        f"Its loss is the sum of {_listed([_term(term, cited) for term in recipe.terms])}.",
        f"The teacher is {teacher(recipe)}{_fine_tuned(recipe)}; it is frozen." if recipe.teacher else "",
        _twin(recipe.twin) if recipe.twin else "",
        f"All networks got the same training images, with {_listed(images)}." if images else "",
        f"Weights are exponential moving averages over the steps, with decay {_value(lr.ema)}." if lr.ema else "",
        f"Training took {recipe.epochs} epochs with batches of {data.batch_size} images and {OPTIMIZERS.get(lr.name, lr.name)}, "
        f"at a learning rate of {_value(lr.lr)}; random seed {recipe.seeds[0]}.",
        f"During training a user changed settings: {_listed(_turned(run))}." if run.knob_changes else "",
    ]
    return " ".join(filter(None, sentences)), cited


def _trained(recipe: Recipe, run: RunState) -> str:
    """The student, and the images that it was trained on."""
    start = "" if isinstance(recipe.student.reference, RandomWeights) else ", beginning with trained weights,"
    count = f"{run.train_images:,}" if run.train_images else "the"
    few = run.train_images and run.labelled_images < run.train_images
    labels = f", of which {run.labelled_images:,} are labelled" if few else ""
    return f"A {network(recipe.student)} (student){start} was trained on {count} images of {images_of(recipe.data)}{labels}."


def _term(term: Term, cited: list[tuple[str, str]]) -> str:
    """A term of the loss with its weight and temperature; its paper is added to `cited` where it is new."""
    from kdcore import methods  # loads torch

    try:
        card = methods.get(term.method).card
    except UserError:
        return f"{term.method} (weight {_value(term.weight)})"
    mark, paper = "", (card.paper, card.url)
    if card.url:
        cited += [] if paper in cited else [paper]
        mark = f" [{cited.index(paper) + 1}]"
    temperature = f", temperature {_value(term.temperature)}" if card.temperature is not None else ""
    return f"{card.title}{mark} (weight {_value(term.weight)}{temperature})"


def _twin(twin: TwinRecipe | bool) -> str:
    own = f", at a learning rate of {_value(twin.lr)}" if isinstance(twin, TwinRecipe) and twin.lr else ""
    return f"A twin, the same network with the same initial weights, batches and augmentation, was trained on the labels alone{own}."


def network(spec: ModelRecipe) -> str:
    """The network's name, and the weights that it begins with."""
    named = [spec.model or "", "" if isinstance(spec.reference, RandomWeights) else last_part(spec.weights)]
    return " with the weights ".join(filter(None, named)) or "network"


def _fine_tuned(recipe: Recipe) -> str:
    tuning = recipe.teacher.finetune if recipe.teacher else None
    if tuning is None:
        return ""
    part = "its classifier alone was" if tuning.freeze_backbone else "it was"
    return f"; {part} fine-tuned on the same training images with labels, for {tuning.epochs} epochs at a learning rate of {tuning.lr:g}"


def _turned(run: RunState) -> list[str]:
    """The settings that a user changed, each once."""
    return list(
        dict.fromkeys(
            str(change["knob"]).replace("weight/", "weight of ").replace("_", " ") for change in run.knob_changes
        )
    )


def images_of(data: DataRecipe) -> str:
    """The name of a dataset; of a visitor's own images, that of their folder."""
    return last_part(data.path) if data.path else data.name


def _images(recipe: Recipe) -> list[str]:
    """What is done to the training images."""
    data = recipe.data
    names = {"flip": "horizontal flips", "crop": "shifts", "jitter": "changes of colour", "rotation": "rotations"}
    found = [names[name] for name in data.augment]
    if data.resized_crop:
        found.append("random resized crops of {:g} to {:g} of the area".format(*data.resized_crop.scale))
    if data.rand_augment:
        found.append(
            f"RandAugment ({data.rand_augment.operations} operations of magnitude {data.rand_augment.magnitude})"
        )
    if data.erasing:
        found.append(f"random erasing (probability {_value(data.erasing)})")
    if data.mixed:
        kinds = (("mixup", data.mixup), ("CutMix", data.cutmix))
        found += [f"{name} (alpha {_value(alpha)})" for name, alpha in kinds if alpha]
    return found


def teacher(recipe: Recipe) -> str:
    """The teacher's network and weights, by name."""
    spec = recipe.without_folders().teacher
    assert spec is not None
    return " with the weights ".join(filter(None, [spec.model or "", str(spec.weights)])) or "a network"


def _value(value: object) -> str:
    """A number, or a schedule in few words."""
    if isinstance(value, (int, float)):
        return f"{value:g}"
    plain = value.model_dump() if hasattr(value, "model_dump") else value
    if isinstance(plain, dict):
        shape = plain.get("shape", "scheduled")
        ends = [
            f"{plain[key]:g}" for key in ("start", "end", "peak", "value") if isinstance(plain.get(key), (int, float))
        ]
        return f"{shape}{' from ' + ' to '.join(ends) if ends else ''}"
    return str(value)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"
