"""The pages of docs/methods, made from the methods' cards."""

from collections.abc import Iterable
from pathlib import Path

from kdcore.inspection.method_cards import COMPARES, NEEDS, Entry, Option, and_, entries, pairings
from kdcore.inspection.method_recipes import term

LABELS = {
    True: "Needed: images whose label is withheld are left out.",
    False: "Not needed: it also learns from images whose label is withheld.",
}


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
