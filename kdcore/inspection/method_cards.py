"""Cards of the methods for readers, with options and pairings, and the pages of docs/methods made from them.

Everything comes from the code: the card, the declarations, signature and docstring of the class, and what happens when the
method is built for a ViT and a CNN. So a page cannot contradict the method, and a new method has its page at once.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kdcore import methods, plugins
from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.methods.base import Card, Method
from kdcore.paths import ASSETS
from kdcore.recipe import Recipe, Term
from kdcore.recipe.terms import SUPERVISED
from kdcore.tensors.outputs import Shapes

# Shapes of a small ViT with four blocks, and of a small CNN with three stages, the last on the ViT's grid.
VIT = Shapes(
    classes=10, pooled=12, features=((12, 4, 4),) * 4, attention=((3, 4, 4),) * 4, tokens=True, qkv=(3, 4, 4, 4)
)
CNN = Shapes(classes=10, pooled=16, features=((4, 16, 16), (8, 8, 8), (16, 4, 4)), attention=(), dense=(4, 4))
KINDS = {"ViT": VIT, "CNN": CNN}
PAIRINGS = [(teacher, student) for teacher in KINDS for student in KINDS]  # (teacher, student)
BUNDLED = {
    ("ViT", "CNN"): ("cues-teacher", "three_stage_cnn_16"),
    ("CNN", "ViT"): ("cues-student", "small_vit_patch8_64"),
    ("CNN", "CNN"): ("cues-student", "three_stage_cnn_16"),
    ("ViT", "ViT"): ("cues-teacher", "small_vit_patch8_64"),
}  # pairing -> a teacher that comes with the project, a student for it

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


LABELS = {
    True: "Needed: images whose label is withheld are left out.",
    False: "Not needed: it also learns from images whose label is withheld.",
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
    return tuple(sorted(map(entry, methods.names()), key=lambda e: (order.index(e.compares), e.card.title.lower())))


def entry(name: str) -> Entry:
    """One method. Raises UserError with the nearest name where there is none of this name."""
    method: Any = methods.get(name)
    return _entry(name, method)


@lru_cache(maxsize=256)
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


def term(entry: Entry) -> dict[str, Any]:
    """The method as a term of a recipe, with the weight and temperature of its card."""
    plain: dict[str, Any] = {"method": entry.name, "weight": entry.card.weight}
    if entry.card.temperature is not None:
        plain["temperature"] = entry.card.temperature
    return plain


def trial(entry: Entry) -> Recipe:
    """The quick recipe with this method beside cross-entropy, for the first pairing of bundled networks that it allows.

    Raises:
        UserError: it allows none.
    """
    quick = recipes.load(ASSETS / "recipes" / "quick.yaml").model_dump(mode="json", exclude_defaults=True)
    plain = {**quick, "name": f"quick-{entry.name}", "note": f"{entry.card.title}: {entry.card.summary}"}
    share = entry.card.weight if entry.compares == "logits" else 0
    labels = {
        "method": SUPERVISED,
        "weight": round(1 - share, 3) if share < 1 else 1.0,
    }  # as in the papers: 0.1 beside 0.9 of soft labels
    if not entry.uses_teacher:
        return recipes.from_plain({**plain, "teacher": None, "twin": False, "terms": [term(entry)]})
    for pairing, (teacher, student) in BUNDLED.items():
        if not entry.refusals[pairing]:
            networks = {"teacher": {"weights": teacher}, "student": {"model": student}}
            return recipes.from_plain({**plain, **networks, "terms": [labels, term(entry)]})
    raise UserError(f"{entry.name} refuses every pairing: {next(iter(entry.refusals.values()))}")


def page(entry: Entry) -> str:
    """The method's page in docs/methods, as Markdown."""
    card = entry.card
    lines = [
        f"# {card.title} (`{entry.name}`)",
        card.summary,
        f"$$\\mathcal{{L}} = {card.formula}$$",
        f"$T$ teacher, $S$ student, $p$ class probabilities; {card.symbols}." if card.symbols else "",
        "" if card.url in entry.background else f"[{card.paper}]({card.url})",
        entry.background,
        "\n".join(facts(entry)),
    ]
    if entry.options:
        lines += ["## Options", "\n".join(table(entry.options))]
    if refused := {pair: why for pair, why in entry.refusals.items() if why}:
        lines += ["## Refused", "\n".join(f"- {t} to {s}: {why}" for (t, s), why in refused.items())]
    return "\n\n".join(filter(None, lines)) + "\n"


def facts(entry: Entry) -> list[str]:
    """The list on a page: what it compares and needs, where it works, defaults, use and avoid."""
    card = entry.card
    weight = f"weight {card.weight:g}" + (f", temperature {card.temperature:g}" if card.temperature is not None else "")
    needs = and_([NEEDS[need] for need in entry.needs]) if entry.uses_teacher else "no teacher"
    works = [f"- **Works** for {pairings(entry)}, teacher to student."] if entry.uses_teacher else []
    return [
        f"- **Compares** {COMPARES[entry.compares].lower()}. **Needs** {needs}.",
        f"- **Labels.** {LABELS[entry.needs_labels]}",
        f"- **Mixed images** (mixup, CutMix). {f'Refused, since {entry.not_mixed}.' if entry.not_mixed else 'Possible.'}",
        *([f"- **Two classes.** With two classes {entry.two_classes}"] if entry.two_classes else []),
        *works,
        f"- **To start from.** {weight.capitalize()}. {card.source}",
        f"- **When to use it.** {card.use}",
        f"- **When not to, or with care.** {card.avoid}",
        *([f"- **Differs from the original.** {card.differs}"] if card.differs else []),
        f"- **In a recipe.** `{in_recipe(entry)}`",
    ]


def in_recipe(entry: Entry) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in term(entry).items()) + "}"


def table(options: Iterable[Option]) -> list[str]:
    cells = [(f"`{o.name}`", f"`{o.default}`", o.about.replace("|", "\\|")) for o in options]
    return ["| option | default | meaning |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in cells)]


def index(found: Iterable[Entry]) -> str:
    """docs/methods/README.md: a table of all methods."""
    rows = [
        f"| [{e.card.title}]({e.name}.md) | `{e.name}` | {COMPARES[e.compares].lower()} | {e.card.summary} |"
        for e in found
    ]
    return "\n".join(
        [
            "# Methods",
            "",
            "One page for each distillation method, generated from its file in `kdcore/methods/` by "
            "`python -m kdcore methods --write docs/methods`. The Methods page of the app shows the same with interactive "
            "figures. How to add a method: [CONTRIBUTING](../../CONTRIBUTING.md).",
            "",
            "| method | in a recipe | compares | summary |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def pages() -> dict[str, str]:
    """File name -> text of everything in docs/methods."""
    found = entries()
    return {"README.md": index(found)} | {f"{e.name}.md": page(e) for e in found}


def write(folder: Path) -> list[Path]:
    """Write all pages to a folder and delete those of removed methods. Returns the changed files."""
    made, changed = pages(), []
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.md")):
        if old.name not in made:
            old.unlink()
            changed.append(old)
    for name, text in made.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed
