"""`methods`: the distillation methods, all of them or one's page."""

import dataclasses
from pathlib import Path

from cyclopts import App

from kdcore.cli.options import Json
from kdcore.results import json_text

app = App(
    name="methods",
    help_epilogue="""Examples:

  python -m kdcore methods             a line per method
  python -m kdcore methods dkd         formula, options, when to use it
  python -m kdcore methods --write docs/methods""",
)


@app.default
def methods(name: str | None = None, /, *, write: Path | None = None, as_json: Json = False) -> int:
    """List the distillation methods, or print one's page.

    Args:
        name: Print the page of this method.
        write: Write a page per method and a table of all of them to this folder.
    """
    from kdcore.inspection import method_cards, method_pages

    if write:
        changed = method_pages.write(write)
        print("\n".join(f"written: {path}" for path in changed) or f"{write} is up to date.")
        return 0
    found = [method_cards.entry(name)] if name else method_cards.entries()
    if as_json:
        for entry in found:
            pairs = {f"{teacher} to {student}": why for (teacher, student), why in entry.refusals.items()}
            plain = dataclasses.asdict(dataclasses.replace(entry, refusals={}))
            print(json_text.text({**plain, "refusals": pairs}))
    elif name:
        print(method_pages.page(found[0]), end="")
    else:
        width = max(len(entry.name) for entry in found)
        for entry in found:
            print(f"{entry.name:{width}}  {method_cards.COMPARES[entry.compares].lower():9}  {entry.card.summary}")
        print("\nMore about one: python -m kdcore methods NAME")
    return 0
