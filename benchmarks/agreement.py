"""Agreement of the bundled teachers' and students' maps over test images, beside its controls.

    python -m benchmarks.agreement [--images 300] [--maps own grad_cam hires_cam eigen_cam]

Jensen-Shannon divergence in nats (0: the same map; 0.69: nothing in common), mean over images that have both maps. CIFAR-10
is left out where its images are not in the data folder. Bold: same and other image differ by Holm's procedure over all rows.
One thread.
"""

import argparse
import time

import torch
from scipy.special import stdtr, stdtrit

from kdcore.explain.quality.agreement import Controlled
from kdcore.inspection import gallery, map_card
from kdcore.paths import runs_folder
from kdcore.results.comparison import MINUS, holm
from kdcore.store import Store

OWN = "own"  # each network's own: class-token attention of a ViT, activation energy of a CNN
HEAD = (
    "teacher with",
    "map",
    "same image",
    "other image",
    "blob in the middle",
    "untrained",
    "same - other",
    "images",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--maps", nargs="+", default=(OWN, "grad_cam", "hires_cam", "eigen_cam"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"`python -m benchmarks.agreement --images {options.images} --maps {' '.join(options.maps)}`, {time.strftime('%Y-%m-%d')}\n"
    )
    found: dict[tuple[str, str], Controlled] = {}
    for data in ("cues", "cifar10"):
        for role in ("student", "twin"):
            for name in options.maps:
                title = "each its own" if name == OWN else map_card(name).title
                try:
                    found[f"{data} {role}", title] = divergence(data, role, name, options.images)
                except ValueError as error:
                    print(f"{data} {role}, {title}: {error}\n")
    ps = [p_value(each) for each in found.values()]
    levels = holm.levels(ps, lambda place, level: ps[place] < level)
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for (names, each), p, level in zip(found.items(), ps, levels, strict=True):
        print(row(*names, each, shown=p < level))


def divergence(data: str, role: str, map_name: str, images: int) -> Controlled:
    """Between a bundled teacher and its student or twin, over test images. Raises ValueError where they are not here."""
    *_, found = gallery.look_through(
        f"{data}-teacher",
        f"{data}-{role}",
        Store(runs_folder()),
        map_name=None if map_name == OWN else map_name,
        at_most=images,
        threads=1,
    )
    controlled = gallery.by_class(found)[0].controlled
    if controlled is None:
        raise ValueError("fewer than two images have both maps")
    return controlled["js"]


def p_value(found: Controlled) -> float:
    """Two-sided, of the difference between same and other image, by Student's t: its 95 % interval has the standard error."""
    mean, _, high = found.gain
    freedom = found.count - 1
    error = (high - mean) / float(stdtrit(freedom, 0.975))
    return 2 * float(stdtr(freedom, -abs(mean) / error))


def row(networks: str, title: str, found: Controlled, shown: bool) -> str:
    figures = (f"{value:.3f}" for value in (found.paired, found.shuffled, found.centre, found.untrained))
    gain = "{:+.3f} ({:+.3f} to {:+.3f})".format(*found.gain).replace("-", MINUS)
    return "| " + " | ".join((networks, title, *figures, f"**{gain}**" if shown else gain, str(found.count))) + " |"


if __name__ == "__main__":
    main()
