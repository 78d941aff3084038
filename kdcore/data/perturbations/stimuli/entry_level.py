"""The 16 entry-level classes of Geirhos et al., and which classes of a dataset belong to each, by name.

From https://github.com/rgeirhos/texture-vs-shape (commit ccd0c01), code/helper/human_categories.py: the numbers of ImageNet's
classes below each of the 16 in WordNet, without those that its authors removed.
"""

import re
from collections.abc import Sequence
from functools import cache

from timm.data import ImageNetInfo

from kdcore.models.importing import class_names

IMAGENET: dict[str, tuple[int | range, ...]] = {
    "airplane": (404,),
    "bear": (range(294, 298),),
    "bicycle": (444, 671),
    "bird": (8, range(10, 17), range(18, 21), range(22, 25), range(80, 84), range(87, 97), range(98, 101), range(127, 134),
             range(135, 146)),
    "boat": (472, 554, 625, 814, 914),
    "bottle": (440, 720, 737, 898, 899, 901, 907),
    "car": (436, 511, 817),
    "cat": (range(281, 287),),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "dog": (range(152, 192), range(193, 204), range(205, 227), range(228, 242), range(243, 251), range(252, 258), 259,
            range(261, 264), range(265, 269)),
    "elephant": (385, 386),
    "keyboard": (508, 878),
    "knife": (499,),
    "oven": (766,),
    "truck": (555, 569, 656, 675, 717, 734, 864, 867),
}  # fmt: skip
OTHER_NAMES = {
    "automobile": "car",
    "ship": "boat",
    "aeroplane": "airplane",
    "pickup truck": "truck",
}  # of CIFAR and PASCAL VOC
WORDNET_ID = re.compile(r"(?<![a-z0-9])n\d{8}(?!\d)")


def numbers(name: str) -> list[int]:
    """The numbers of ImageNet's classes, 0 to 999, that belong to one of the 16."""
    return [number for part in IMAGENET[name] for number in (part if isinstance(part, range) else (part,))]


def of(name: str) -> str | None:
    """The entry-level class that a dataset's class belongs to, by its name or WordNet number; None where it does not."""
    found = WORDNET_ID.search(name.lower())
    return _known().get(found.group() if found else _plain(name))


def places(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """For each entry-level class that a dataset has, alphabetically: the places of the classes that belong to it."""
    found = [of(name) for name in classes]
    return {
        entry: tuple(place for place, other in enumerate(found) if other == entry)
        for entry in IMAGENET
        if entry in found
    }


@cache
def _known() -> dict[str, str]:
    """Names without capitals, and WordNet numbers -> the entry-level class."""
    info, described = ImageNetInfo("imagenet-1k"), class_names.of_imagenet(1000)
    assert described is not None
    found = {name: name for name in IMAGENET} | OTHER_NAMES
    for entry in IMAGENET:
        for number in numbers(entry):
            found |= {info.index_to_label_name(number): entry, _plain(described[number]): entry}
    return found


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
