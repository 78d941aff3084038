"""The classes of imported weights: from a file, or ImageNet's where their number is that of one of its lists."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from timm.data import ImageNetInfo, infer_imagenet_subset

from kdcore.errors import UserError, clipped
from kdcore.files import reading
from kdcore.recipe.weight_header import LARGEST_TEXT, LONGEST_CLASS


def from_file(path: Path) -> tuple[str, ...]:
    """The classes in a text file, one a line in the order of the outputs; or a JSON list, or a mapping of numbers to names.

    Raises:
        UserError: it cannot be read, is empty, or names a class twice.
    """
    try:
        text = reading.read_whole(path, LARGEST_TEXT).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"There is no file {path} with the names of the classes, one a line.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeError:
        raise UserError(f"{path} is not text in UTF-8. Write the names of the classes, one a line.") from None
    names = (
        _in_json(path, text) if text.lstrip().startswith(("[", "{")) else [line.strip() for line in text.splitlines()]
    )
    names = [name for name in names if name]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if not names or twice is not None or any(len(name) > LONGEST_CLASS for name in names):
        reason = (
            f"it has {clipped(twice, 80)!r} twice" if twice else "it is empty" if not names else "a name is too long"
        )
        raise UserError(f"{path} should have the names of the classes, one a line: {reason}.")
    return tuple(names)


def of_imagenet(outputs: int) -> tuple[str, ...] | None:
    """The names of ImageNet's 1,000 classes, or of another of its lists with this number; None where there is none."""
    subset = infer_imagenet_subset({"num_classes": outputs})
    if subset is None:
        return None
    known = ImageNetInfo(subset)
    names = [known.index_to_description(place).split(", ")[0] for place in range(known.num_classes())]
    numbers = [known.index_to_label_name(place) for place in range(known.num_classes())]
    # two cranes, two maillots: the synset's number tells them apart
    shared = {name for name in names if names.count(name) > 1} if outputs == 1000 else set(names)
    return tuple(f"{name} ({number})" if name in shared else name for name, number in zip(names, numbers, strict=True))


def _in_json(path: Path, text: str) -> list[str]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{path} begins like JSON and cannot be read as such. Write the names, one a line.") from None
    if isinstance(found, dict):
        numbers = set(map(str, range(len(found))))
        if set(found) == numbers:
            found = [found[key] for key in sorted(found, key=int)]
        elif {str(value) for value in found.values()} == numbers:
            found = sorted(found, key=lambda name: int(found[name]))
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UserError(f"{path} should be a list of names, or map numbers from 0 to names.")
    return found
