"""Agreement of the bundled teachers' and students' maps over test images, beside its controls.

    python -m benchmarks.agreement [--images 300] [--maps own grad_cam hires_cam eigen_cam]

Jensen-Shannon divergence in nats (0: the same map; 0.69: nothing in common), mean over images that have both maps. CIFAR-10
is left out where its images are not in the data folder. One thread.
"""

import argparse
import time

import torch

from kdcore.inspection import gallery, map_card
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
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for data in ("cues", "cifar10"):
        for role in ("student", "twin"):
            for map_name in options.maps:
                try:
                    print(row(data, role, map_name, options.images), flush=True)
                except ValueError as error:
                    print(f"| {data} {role} | {error} |" + " |" * (len(HEAD) - 2))


def row(data: str, role: str, map_name: str, images: int) -> str:
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
    js = controlled["js"]
    figures = [f"{value:.3f}" for value in (js.paired, js.shuffled, js.centre, js.untrained)]
    gain = "{:+.3f} ({:+.3f} to {:+.3f})".format(*js.gain)
    return (
        "| "
        + " | ".join(
            (
                f"{data} {role}",
                "each its own" if map_name == OWN else map_card(map_name).title,
                *figures,
                gain,
                str(js.count),
            )
        )
        + " |"
    )


if __name__ == "__main__":
    main()
