"""The tables of docs/results.md that come from training runs: their commands, their layout and what they cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.results import fingerprint, layouts
from benchmarks.results.commands import points
from benchmarks.results.layouts import Layout
from kdcore.recipe.study import Point


@dataclass(frozen=True)
class Table:
    """A table.

    name: as in the comment around it in the document.
    commands: variant -> command line after `python -m kdcore`; a study brings its own variants.
    minutes: processor time of all its runs on one core of 2026.
    long: measured only when it is named, or with --all.
    needs: what has to be in the data folder.
    """

    name: str
    commands: dict[str, str]
    layout: Layout
    minutes: float
    long: bool = False
    needs: str = ""

    def points(self) -> list[Point]:
        """The runs of all commands, in order."""
        return _points(tuple(self.commands.items()))

    def parts(self) -> dict[str, str]:
        """The present hashes of what the numbers follow from."""
        return fingerprint.of(fingerprint.TRAINING, [point.recipe for point in self.points()])


@lru_cache
def _points(commands: tuple[tuple[str, str], ...]) -> list[Point]:
    return [point for label, command in commands for point in points(command, label)]


ALONE = "--set teacher=null --set twin=false --set 'terms=[{method: ce}]'"
RATES = "--vary optimizer.lr=2e-3,4e-3,8e-3,16e-3 --seeds 0 1 2"
CIFAR = "CIFAR-10"
PUBLIC = "CIFAR-10 and public weights (docs/results.md)"

TABLES = (
    Table("quick", {"quick": "distill quick --seeds 0 1 2"}, layouts.by_seed, 4),
    Table("all-labels", {"all-labels": "distill all-labels --seeds 0 1 2"}, layouts.by_seed, 4),
    Table(
        "pitfalls",
        {
            "nothing wrong": "distill failures/wrong-normalisation --set teacher.mean=null --set teacher.std=null",
            "random teacher, every label": "distill failures/random-teacher",
            "wrong normalisation": "distill failures/wrong-normalisation",
            "shuffled labels": "distill failures/shuffled-labels",
            "temperature 100 without its square": "distill failures/temperature-too-high",
        },
        layouts.one_run_each,
        4,
    ),
    Table("quick-rate-twin", {"": f"sweep quick {RATES} {ALONE}"}, layouts.chosen_on_validation("learning rate", "student"), 8),
    Table("quick-rate-student", {"": f"sweep quick {RATES} --set twin=false"}, layouts.chosen_on_validation("learning rate", "student"), 12),
    Table("all-labels-rate-twin", {"": f"sweep all-labels {RATES} {ALONE}"}, layouts.chosen_on_validation("learning rate", "student"), 8),
    Table("dynamic-attention", {"": "study dynamic-attention-small"}, layouts.by_variant("variant", against="kd alone"), 30, needs=CIFAR),
    Table(
        "dynamic-attention-baseline",
        {"a CNN of 36 k from labels alone": "distill dynamic-attention-baseline-small --seeds 0 1 2"},
        layouts.by_variant("baseline", parameters=True), 4, needs=CIFAR,
    ),
    Table("two-classes", {"two-classes": "distill two-classes-small --seeds 0 1 2"}, layouts.two_classes, 8, needs=CIFAR),
    Table("adaptive-hints", {"": "study adaptive-hints-small"},
          layouts.by_variant("variant", parameters=True, against="constant hints"), 25, needs=CIFAR),
    Table("dynamic-or-uniform", {"": "study dynamic-or-uniform-small"},
          layouts.by_variant("variant", against="uniform weights"), 12, needs=CIFAR),
    Table("adaptive-or-constant-hints", {"": "study adaptive-or-constant-hints-small"},
          layouts.by_variant("variant", parameters=True, against="constant hints"), 20, needs=CIFAR),
    Table("class-space", {"three seeds": "distill class-space-small --seeds 0 1 2"}, layouts.by_variant(""), 5, needs=CIFAR),
    Table("vit-to-cnn", {"": "study vit-to-cnn-small"}, layouts.by_variant("method", parameters=True), 30, needs=CIFAR),
    Table("cnn-to-vit", {"": "study cnn-to-vit-small"}, layouts.by_variant("method", parameters=True), 30, needs=CIFAR),
    Table("patient", {"patient": "distill patient --seeds 0 1 2"}, layouts.by_seed, 12, needs=CIFAR),
    Table("cifar10-cnn", {"": "distill cifar10-cnn"}, layouts.by_seed, 25, long=True, needs=CIFAR),
    Table("precision", {"": "study precision"}, layouts.precision, 60, long=True, needs=CIFAR),
    Table("cifar10-resnet56", {"": "distill cifar10-resnet56"}, layouts.by_seed, 10, long=True, needs=PUBLIC),
    Table("cifar10-deit", {"": "distill cifar10-deit"}, layouts.by_seed, 10, long=True, needs=PUBLIC),
)  # fmt: skip


def chosen(names: Iterable[str], *, everything: bool = False) -> list[Table]:
    """The tables of these names; without names those that are not long. Raises ValueError for an unknown name."""
    known = {table.name: table for table in TABLES}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"There is no table {unknown[0]!r}. Tables: {', '.join(known)}.")
    return [known[name] for name in names] or [table for table in TABLES if everything or not table.long]
