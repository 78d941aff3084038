"""Cards of the methods for readers, with options and the pairings of networks that work.

Everything comes from the code: the card, the declarations, signature and docstring of the class, and what happens when the
method is built for a ViT and a CNN. So a page cannot contradict the method, and a new method has its page at once.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kdcore import methods, plugins
from kdcore.errors import UserError
from kdcore.methods.base import Card, Method
from kdcore.recipe import Term
from kdcore.runtime.once import once
from kdcore.tensors.outputs import Shapes

# Shapes of a small ViT with four blocks, and of a small CNN with three stages, the last on the ViT's grid.
VIT = Shapes(
    classes=10, pooled=12, features=((12, 4, 4),) * 4, attention=((3, 4, 4),) * 4, tokens=True, qkv=(3, 4, 4, 4)
)
CNN = Shapes(classes=10, pooled=16, features=((4, 16, 16), (8, 8, 8), (16, 4, 4)), attention=(), dense=(4, 4))
KINDS = {"ViT": VIT, "CNN": CNN}
PAIRINGS = [(teacher, student) for teacher in KINDS for student in KINDS]  # (teacher, student)
COMPARES = {
    "labels": "Labels",
    "logits": "Logits",
    "features": "Features",
    "attention": "Attention",
    "relations": "Relations",
}
NEEDS = {
    "logits": "the logits",
    "pooled": "the pooled vector that the classifier reads",
    "features": "feature maps",
    "attention": "a ViT's attention maps",
    "dense": "logits at every position of the last map",
    "qkv": "queries, keys and values of a ViT's last block",
}


@dataclass(frozen=True)
class Option:
    """An option of a method in a recipe; `default` as YAML."""

    name: str
    default: str
    about: str


@dataclass(frozen=True)
class Entry:
    """All there is to read about a method.

    compares: a key of `COMPARES`.
    needs: the outputs of both networks that it uses, in the order of `NEEDS`.
    not_mixed: why mixed images are refused, a clause; empty where they are possible.
    refusals: (teacher, student), as in ("ViT", "CNN") -> why this pairing is refused; empty where it works.
    background: further paragraphs, from the file's own docstring.
    plugin: the name of its file, where it is a plugin; empty for this project's own.
    """

    name: str
    card: Card
    compares: str
    needs: tuple[str, ...]
    uses_teacher: bool
    uses_temperature: bool
    needs_labels: bool
    summed_over_classes: bool
    two_classes: str
    not_mixed: str
    options: tuple[Option, ...]
    refusals: dict[tuple[str, str], str]
    background: str
    plugin: str = ""


def entries() -> tuple[Entry, ...]:
    """Every method, in the order of `COMPARES`, then by title."""
    order = list(COMPARES)
    found = [_entry(name, method) for name, method in methods.every().items()]
    return tuple(sorted(found, key=lambda e: (order.index(e.compares), e.card.title.lower())))


def entry(name: str) -> Entry:
    """One method. Raises UserError with the nearest name where there is none of this name."""
    method: Any = methods.get(name)
    return _entry(name, method)


@once(maxsize=256)
def _entry(name: str, method: Any) -> Entry:
    return Entry(
        name=name,
        card=method.card,
        compares=compares(method),
        needs=tuple(need for need in NEEDS if need in method.needs),
        uses_teacher=method.uses_teacher,
        uses_temperature=method.uses_temperature,
        needs_labels=method.needs_labels,
        summed_over_classes=method.summed_over_classes,
        two_classes=method.two_classes,
        not_mixed=method.why_not_mixed(),
        options=options(name),
        refusals=refusals(name),
        background=background(sys.modules[method.__module__].__doc__ or ""),
        plugin=plugins.file_of(method.part_kind, name),
    )


def compares(method: type[Method]) -> str:
    """What a method compares: as its card states, else by the outputs it needs."""
    if method.card.compares:
        return method.card.compares
    if not method.uses_teacher:
        return "labels"
    if method.needs & {"attention", "qkv"}:
        return "attention"
    return "features" if method.needs & {"features", "pooled"} else "logits"


def options(name: str) -> tuple[Option, ...]:
    """The method's options, each with its line of the class's docstring."""
    method = methods.get(name)
    parameters = inspect.signature(method.__init__).parameters.values()
    texts = explanations(method.__doc__ or "")
    return tuple(
        Option(p.name, written(p.default), texts.get(p.name, ""))
        for p in parameters
        if p.kind is p.KEYWORD_ONLY  # `layers` too, which stands beside the options in a term
    )


def explanations(docstring: str) -> dict[str, str]:
    """The options under "Options:" in a docstring: `name: what it does`, or `one, other: ...`, going on in lines further in."""
    _, _, listed = inspect.cleandoc(docstring).partition("Options:")
    texts: dict[str, str] = {}
    for about in re.split(r"\n(?=\w)", textwrap.dedent(listed.strip("\n"))):
        names, _, text = about.strip().partition(": ")
        texts |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return texts


def written(default: Any) -> str:
    """A default as YAML."""
    plain = {None: "null", True: "true", False: "false"}
    return plain[default] if default is None or isinstance(default, bool) else f"{default}"


def refusals(name: str) -> dict[tuple[str, str], str]:
    """For each pairing why the method refuses it, or an empty string."""
    return {(teacher, student): _refusal(name, KINDS[teacher], KINDS[student]) for teacher, student in PAIRINGS}


def _refusal(name: str, teacher: Shapes, student: Shapes) -> str:
    try:
        methods.build(Term(method=name), student, teacher)
    except UserError as error:
        return str(error).partition("cannot be used here: ")[2] or str(error)
    return ""


def background(docstring: str) -> str:
    """The paragraphs of a docstring after the first, each on one line."""
    _, *further = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in further)


def pairings(entry: Entry) -> str:
    """The pairings that work, as text: `ViT to CNN, CNN to ViT and CNN to CNN`."""
    works = [f"{teacher} to {student}" for (teacher, student), refusal in entry.refusals.items() if not refusal]
    if len(works) == len(PAIRINGS):
        return "every pairing of ViT and CNN"
    return and_(works)


def and_(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
