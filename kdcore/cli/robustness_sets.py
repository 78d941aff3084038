"""`robustness sets` and `robustness export`: the test sets, their cards, and their images as files."""

from pathlib import Path
from typing import Any

from kdcore.cli.options import Json, store, writing
from kdcore.cli.robustness_choice import expanded
from kdcore.files import atomic
from kdcore.results import json_text


def list_sets(name: str | None = None, /, *, as_json: Json = False) -> int:
    """List the test sets, or print the card of one.

    Args:
        name: Of one set.
    """
    from kdcore.data import perturbations
    from kdcore.robustness import conditions

    names = perturbations.names() if name is None else (conditions.parse(name).set_name,)
    if as_json:
        print(json_text.text([card(each) for each in names]))
        return 0
    if name is not None:
        found = card(names[0])
        print(f"{found['title']} ({names[0]})\n\n{found['summary']}\n")
        print(
            f"Strength: {found['parameter']}; {', '.join(f'{each:g}' for each in found['strengths'])}, usually {found['usual']:g}"
        )
        print(f"Source: {found['source']}")
        return 0
    width = max(map(len, names))
    for each in names:
        found = card(each)
        strengths = ", ".join(f"{strength:g}" for strength in found["strengths"])
        print(f"{each:{width}}  {found['probes']:12}  {found['title']}; {found['parameter']}: {strengths}")
    print("\nMore about one: python -m kdcore robustness sets NAME")
    return 0


def export_set(condition: str, path: Path, /, *, network: str = "cifar10-student", images: int = 100) -> int:
    """Write the images of a test set as PNG files in a zip, with a manifest.

    Args:
        condition: A set with or without a strength, such as fog@3; or clean.
        path: The zip file to write.
        network: The images are those of this network's data, at its size.
        images: How many.
    """
    with writing(path):
        pass
    from kdcore.inspection import robustness as lab

    runs = store()
    (reference,) = expanded([network], runs)[:1]
    content = lab.export([reference], condition, runs, images=images)
    with writing(path):
        atomic.write_bytes(path, content)
    print(f"written: {path} ({len(content) / 1e6:.1f} MB)")
    return 0


def card(name: str) -> dict[str, Any]:
    """A set's card as plain data."""
    from kdcore.data import perturbations

    found = perturbations.get(name)
    return {
        "name": name, "title": found.title, "summary": found.summary, "probes": found.probes, "parameter": found.parameter,
        "strengths": [float(each) for each in found.strengths], "usual": float(found.usual), "source": found.source,
        "cached": found.cached, "cue_conflict": found.conflict,
    }  # fmt: skip
