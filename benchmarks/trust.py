"""Which maps can be trusted, on `cues`, where the object's pixels are known: a table for each network.

    python -m benchmarks.trust [--images 200] [--models cues-teacher cues-student cues-twin] [--write]

`--write` saves the figures in assets/trust.json, which the Attention page reads. One thread. The images are the first of
the test split; deletion, insertion and randomization are measured on a quarter of them.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict

import torch

from kdcore import models
from kdcore.data import loading
from kdcore.explain import map_cards
from kdcore.explain.quality.agreement import Interval
from kdcore.explain.quality.trust import CONTROLS, Trust, trust
from kdcore.paths import ASSETS
from kdcore.recipe import DataRecipe

MODELS = ("cues-teacher", "cues-student", "cues-twin")
FILE = ASSETS / "trust.json"
HEAD = (
    "map", "on the object (hits)", "inside", "deletion", "insertion", "beyond noise", "Spearman without weights",
    "SSIM without weights", "forwards", "passes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--write", action="store_true", help=f"save the figures in {FILE.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    command = f"python -m benchmarks.trust --images {options.images} --models {' '.join(options.models)}"
    print(f"`{command}`: {platform.machine()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
    split = loading.load(DataRecipe(name="cues", test_images=options.images), "test")
    measured: dict[str, tuple[Trust, ...]] = {}
    for name in options.models:
        began = time.process_time()
        model = models.load(name).eval().requires_grad_(False)
        measured[name] = trust(model, split, few=max(2, options.images // 4))
        print(f"\n**{name}**, {time.process_time() - began:.0f} CPU seconds\n")
        print(table(measured[name]), flush=True)
    if options.write:
        FILE.write_text(json.dumps(as_plain(measured, command, options.images), indent=1) + "\n", encoding="utf-8")


def table(found: Sequence[Trust]) -> str:
    """A Markdown table, the map with the largest share on the object first; chance and centre below."""
    cards = map_cards()
    rows = [HEAD, ("---",) * len(HEAD)]
    for each in sorted(found, key=lambda one: (one.map in CONTROLS, -one.on_object.inside[0])):
        last = each.cascade[-1] if each.cascade else None
        rows.append(
            (
                CONTROLS[each.map] if each.map in CONTROLS else cards[each.map].title,
                share(each.on_object.hits),
                share(each.on_object.inside),
                figure(each.deletion),
                figure(each.insertion),
                figure(each.faithful),
                figure(last.spearman) if last else "",
                figure(last.ssim) if last else "",
                f"{each.forwards:.1f}" if last else "",
                ", ".join(word for word, passed in each.passes.items() if passed) if last else "",
            )
        )
    on = found[0].on_object
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    chance = f"By chance a cell touches the object in {on.hits_by_chance:.0%} and a uniform map has {on.by_chance:.0%} inside"
    return "\n".join(lines) + f"\n\n{chance}; the middle {on.hits_centred:.0%} and {on.centred:.0%}."


def share(interval: Interval) -> str:
    return "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * value for value in interval))


def figure(interval: Interval) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*interval)


def as_plain(measured: dict[str, tuple[Trust, ...]], command: str, images: int) -> dict[str, object]:
    """What the page reads: all measurements, and the tests passed."""
    return {
        "command": f"{command} --write",
        "date": time.strftime("%Y-%m-%d"),
        "images": images,
        "models": {
            name: {each.map: {**rounded(asdict(each)), "passes": each.passes} for each in found}
            for name, found in measured.items()
        },
    }


def rounded(value: object) -> object:
    """Numbers to four decimals, which is finer than any interval here; NaN, which JSON lacks, as None."""
    match value:
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [rounded(each) for each in value]
        case float():
            return None if value != value else round(value, 4)
    return value


if __name__ == "__main__":
    main()
