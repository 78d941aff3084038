"""Do the bundled teachers and students look at the same places? The distance of their maps over test images, beside controls.

    python -m benchmarks.agreement [--images 300] [--maps own grad_cam hires_cam eigen_cam]

Jensen-Shannon divergence in nats (0: the same map; 0.69: nothing in common), mean over images that have both maps. CIFAR-10
is left out where its images are not in the data folder. One thread.
"""

import argparse
import time

import torch

from kdcore.explain import METHODS
from kdcore.explain.quality.survey import by_class
from kdcore.inspection import gallery
from kdcore.paths import runs_folder
from kdcore.store import Store

OWN = "own"  # each network's own: class-token attention of a ViT, activation energy of a CNN
HEAD = (
    "teacher with",
    "map",
    "same image",
    "other image",
    "blob in the middle",
    "untrained",
    "same less other",
    "images",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--maps", nargs="+", default=(OWN, "grad_cam", "hires_cam", "eigen_cam"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"`python -m benchmarks.agreement --images {asked.images} --maps {' '.join(asked.maps)}`, {time.strftime('%Y-%m-%d')}\n"
    )
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for data in ("cues", "cifar10"):
        for role in ("student", "twin"):
            for method in asked.maps:
                try:
                    print(row(data, role, method, asked.images), flush=True)
                except ValueError as error:
                    print(f"| {data} {role} | {error} |" + " |" * (len(HEAD) - 2))


def row(data: str, role: str, method: str, images: int) -> str:
    *_, found = gallery.look_through(
        f"{data}-teacher",
        f"{data}-{role}",
        Store(runs_folder()),
        method=None if method == OWN else method,
        at_most=images,
        threads=1,
    )
    controlled = by_class(found)[0].controlled
    if controlled is None:
        raise ValueError("fewer than two images have both maps")
    js = controlled["js"]
    figures = [f"{value:.3f}" for value in (js.paired, js.shuffled, js.centre, js.untrained)]
    gain = "{:+.3f} ({:+.3f} to {:+.3f})".format(*js.gain)
    return (
        "| "
        + " | ".join(
            (
                f"{data} {role}",
                "each its own" if method == OWN else METHODS[method].title,
                *figures,
                gain,
                str(js.count),
            )
        )
        + " |"
    )


if __name__ == "__main__":
    main()
