"""The fields of the form for the keys of a recipe, so that a message about a key says where it is set."""

import re
from collections.abc import Callable

MORE = ", under More settings"
FIELDS = {
    "data.name": "Dataset",
    "data.path": "Folder on this computer",
    "data.image_size": "Image size, pixels",
    "data.train_images": "Training images",
    "data.labels": "Labelled images",
    "data.label_noise": "Wrong labels, %",
    "data.batch_size": "Batch size",
    "data.validation": f"Validation split, %{MORE}",
    "teacher.model": "Network name",
    "student.model": "Student",
    "epochs": "Epochs",
    "seeds": "Seeds",
    "optimizer.lr": "Learning rate",
    "lr.warmup_epochs": f"Warm-up, epochs{MORE}",
    "lr.shape": f"Learning rate schedule{MORE}",
    "weighting": f"Weighting of the terms{MORE}",
    "precision": f"Precision{MORE}",
    "data.augment": f"Augmentation{MORE}",
    "data.resized_crop": f"Augmentation{MORE}",
    "data.rand_augment": f"Augmentation{MORE}",
    "data.mixup": f"Mixup, alpha{MORE}",
    "data.cutmix": f"CutMix, alpha{MORE}",
    "data.erasing": f"Erasing, probability{MORE}",
    "optimizer.ema": f"Averaged weights, decay{MORE}",
    "optimizer.accumulate": f"Batch in parts{MORE}",
    "teacher.image_size": f"Teacher's image size, pixels{MORE}",
    "robustness.sets": "Curves on perturbed images",
    "robustness.images": "Images of each set",
}
OF_A_TERM = {
    "weight": "Weight",
    "temperature": "Temperature",
    "from_epoch": "Active from epoch",
    "to_epoch": "Until epoch",
    "adapt": "Lower the weight on a plateau",
}
SECTIONS = {
    "data": "data", "teacher": "networks", "student": "networks", "twin": "networks", "terms": "terms", "epochs": "length",
    "seeds": "length", "optimizer": "length", "lr": "length", "weighting": "length", "precision": "length",
    "data.batch_size": "length", "data.validation": "length", "data.augment": "length", "data.mixup": "length",
    "data.cutmix": "length", "data.erasing": "length", "teacher.image_size": "length", "robustness": "length",
}  # fmt: skip
KEY = re.compile(r"`([a-z_]+(?:\.\w+)*)`")
ELSEWHERE = "in the full recipe (YAML) below"


def labelled(message: str) -> str:
    """The message with the field of each key after its first mention; a setting without a field is in the text below."""
    named: set[str] = set()

    def with_field(found: re.Match[str]) -> str:
        key = found[1]
        field = field_of(key)
        if field is None or key in named:
            return found[0]
        named.add(key)
        return f"{found[0]} ({field})"

    replaced: Callable[[re.Match[str]], str] = with_field
    return KEY.sub(replaced, message)


def field_of(key: str) -> str | None:
    """The label of a key's field, or where it is set; None for what is no key of a recipe."""
    first, *rest = key.split(".")
    if first == "terms" and len(rest) > 1:
        return OF_A_TERM.get(rest[1], ELSEWHERE)
    if first == "seeds":
        return FIELDS["seeds"]
    return FIELDS.get(key) or (ELSEWHERE if rest else None)


def section_of(message: str) -> str | None:
    """The section of the form with the field of the first key that a message names; None where it names none."""
    for key in KEY.findall(message):
        if section := SECTIONS.get(key) or SECTIONS.get(key.partition(".")[0]):
            return section
    return None
