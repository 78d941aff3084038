from kdcore.data import datasets
from kdcore.data.perturbations.stimuli import entry_level
from kdcore.models.importing import class_names

# Count and sum of the lists in code/helper/human_categories.py of rgeirhos/texture-vs-shape at ccd0c01.
PUBLISHED = {
    "airplane": (1, 404), "bear": (4, 1182), "bicycle": (2, 1115), "bird": (49, 4213), "boat": (5, 3379), "bottle": (7, 5502),
    "car": (3, 1764), "cat": (6, 1701), "chair": (4, 2604), "clock": (3, 1831), "dog": (109, 22672), "elephant": (2, 771),
    "keyboard": (2, 1386), "knife": (1, 499), "oven": (1, 766), "truck": (8, 5637),
}  # fmt: skip


def test_the_numbers_are_the_published_ones() -> None:
    found = {name: entry_level.numbers(name) for name in entry_level.IMAGENET}
    assert {name: (len(numbers), sum(numbers)) for name, numbers in found.items()} == PUBLISHED


def test_names_of_imagenet_and_wordnet_numbers_give_the_same_places() -> None:
    expected = {name: tuple(entry_level.numbers(name)) for name in entry_level.IMAGENET}
    names = class_names.of_imagenet(1000)
    assert names is not None
    assert entry_level.places(names) == expected
    assert entry_level.of("n02123045") == entry_level.of("n02123045_tabby") == entry_level.of("tabby") == "cat"


def test_cifar_shares_seven_and_eight_classes() -> None:
    ten, hundred = (entry_level.places(datasets.get(name).classes) for name in ("cifar10", "cifar100"))
    assert ten == {"airplane": (0,), "bird": (2,), "boat": (8,), "car": (1,), "cat": (3,), "dog": (5,), "truck": (9,)}
    assert list(hundred) == ["bear", "bicycle", "bottle", "chair", "clock", "elephant", "keyboard", "truck"]


def test_other_classes_belong_to_none() -> None:
    assert [entry_level.of(name) for name in ("frog", "deer", "crane", "n01440764", "")] == [None] * 5
