"""Which maps can be trusted, on `cues`, where the object's pixels are known: a table for each network.

    python -m benchmarks.trust [--images 200] [--models cues-teacher cues-student cues-twin] [--write] [--blur]

`--write` saves the figures in assets/trust.json, which the Attention page reads, and writes their tables in docs/results.md.
One thread. The images are the first of the test split; deletion, insertion and randomization are measured on half of
them. `--blur` measures instead what is left of the networks' accuracy on 100 blurred validation images, for the blur that
insertion starts from.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torchvision.transforms.v2.functional import gaussian_blur

from benchmarks.results import document, fingerprint, measuring
from kdcore import models
from kdcore.data import loading
from kdcore.explain import map_cards
from kdcore.explain.quality.trust import CONTROLS, Trust, trust
from kdcore.paths import ASSETS
from kdcore.recipe import DataRecipe
from kdcore.results.comparison import MINUS

MODELS = ("cues-teacher", "cues-student", "cues-twin")
FILE = ASSETS / "trust.json"
BLURS = (0.0, 5 / 224, 0.05, 0.1, 0.2)  # the second is the paper's
HEAD = (
    "map", "on the object (hits)", "inside", "deletion", "insertion", "beyond noise", "beyond the blob", "Spearman without weights",
    "SSIM without weights", "forwards", "passes",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--write", action="store_true", help=f"save the figures in {FILE.name} and docs/results.md")
    parser.add_argument("--blur", action="store_true", help="measure the accuracy on blurred validation images instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.blur:
        return blurred(options.models)
    command = f"python -m benchmarks.trust --images {options.images} --models {' '.join(options.models)} --write"
    print(f"`{command}`: {measuring.machine(torch.get_num_threads())}, {time.strftime('%Y-%m-%d')}")
    split = loading.load(DataRecipe(name="cues", test_images=options.images), "test")
    measured: dict[str, tuple[Trust, ...]] = {}
    seconds: dict[str, int] = {}
    for name in options.models:
        began = time.process_time()
        model = models.load(name).eval().requires_grad_(False)
        measured[name] = trust(model, split, few=max(2, options.images // 2))
        seconds[name] = round(time.process_time() - began)
        print(f"\n**{name}**, {seconds[name]} CPU seconds\n\n{table(as_plain(measured[name]))}", flush=True)
    if options.write:
        found = {
            "command": command, "date": time.strftime("%Y-%m-%d"), "revision": measuring.revision(),
            "machine": measuring.machine(torch.get_num_threads()), "parts": parts(options.models), "images": options.images, "seconds": seconds,
            "models": {name: as_plain(each) for name, each in measured.items()},
        }  # fmt: skip
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        document.DOCUMENT.write_text(written(document.DOCUMENT.read_text("utf-8")), "utf-8")
    return None


def written(text: str) -> str:
    """docs/results.md with the tables of what is saved."""
    found = json.loads(FILE.read_text("utf-8"))
    return document.of_maps(text, part(found), found, parts(found["models"]))


def parts(names: Iterable[str]) -> dict[str, str]:
    """The hashes of what the figures follow from."""
    return fingerprint.of(fingerprint.HEATMAPS, [], weights=names)


def part(found: dict[str, Any]) -> str:
    """The tables of all networks, from what is saved."""
    return "\n\n".join(
        f"`{name}` ({found['seconds'][name]} CPU seconds):\n\n{table(each)}" for name, each in found["models"].items()
    )


def blurred(names: Sequence[str]) -> None:
    """Print the accuracy of networks on 100 validation images, by the standard deviation of the blur as a share of the side."""
    split = loading.load(DataRecipe(name="cues", train_images=1000, validation=0.1), "validation").at(torch.arange(100))
    images, side = split.images.float() / 255, split.images.shape[3]
    print("| network | " + " | ".join(f"{share_of:.3f}" for share_of in BLURS) + " |\n|---|" + "---|" * len(BLURS))
    for name in names:
        model, right = models.load(name).eval().requires_grad_(False), []
        for share_of in BLURS:
            sigma = share_of * side
            seen = gaussian_blur(images, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma] * 2) if sigma else images
            right.append((model(seen).logits.argmax(1) == split.targets).float().mean().item())
        print(f"| `{name}` | " + " | ".join(f"{each:.0%}" for each in right) + " |")


def table(found: dict[str, Any]) -> str:
    """A Markdown table, the map with the largest share on the object first; chance and centre below."""
    cards = map_cards()
    rows = [HEAD, ("---",) * len(HEAD)]
    for name, each in sorted(found.items(), key=lambda one: (one[0] in CONTROLS, -one[1]["on_object"]["inside"][0])):
        last = each["cascade"][-1] if each["cascade"] else None
        rows.append(
            (
                CONTROLS[name] if name in CONTROLS else cards[name].title,
                share(each["on_object"]["hits"]),
                share(each["on_object"]["inside"]),
                *(figure(interval) for interval in (each["deletion"], each["insertion"], *each["margins"]["faithful"])),
                figure(last["spearman"]) if last else "",
                figure(last["ssim"]) if last else "",
                f"{each['forwards']:.1f}" if last else "",
                ", ".join(word for word, passed in each["passes"].items() if passed) if last else "",
            )
        )
    on = next(iter(found.values()))["on_object"]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    chance = f"By chance a cell touches the object in {on['hits_by_chance']:.0%} and a uniform map has {on['by_chance']:.0%} inside"
    middle = f"the middle {on['hits_centred']:.0%} and {on['centred']:.0%}."
    return "\n".join(lines) + f"\n\n{chance}; {middle}".replace("%", " %")


def share(interval: Sequence[float]) -> str:
    return "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * value for value in interval))


def figure(interval: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*interval).replace("-", MINUS)


def as_plain(found: tuple[Trust, ...]) -> dict[str, Any]:
    """What the page reads of a network: all measurements, and the tests passed."""
    return {each.map: {**rounded(asdict(each)), "passes": each.passes} for each in found}


def rounded(value: Any) -> Any:
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
