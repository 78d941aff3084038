"""Frames a second of the live camera: the server's CPU time for a frame through three bundled networks, and what that allows.

    python -m benchmarks.camera [--frames 40] [--map NAME ...]

A frame goes through the route as a browser's does: raw pixels in, maps as JSON out, one thread of torch. The wall-clock figure
is that of this machine as it is now; CPU time depends less on what else runs.
"""

import argparse
import time

import numpy as np
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kdcore import explain, models
from pages.parts import palette
from pages.parts.roles import role
from pages.parts.server import camera

WARM = 3  # frames before the clock starts: networks are loaded, kernels chosen


def measure(client: TestClient, family: str, map_name: str, frames: int) -> tuple[float, float]:
    """CPU ms a frame, and frames a second."""
    references = [f"{family}-{network}" for network in palette.NETWORKS]
    side = max(models.bundled()[reference]["image_size"] for reference in references)
    address = f"/api/camera/{camera.key_for(references, map_name, side)}"
    pixels = np.random.default_rng(0).integers(0, 256, (WARM + frames, side * side * 3), dtype=np.uint8)
    for body in pixels[:WARM]:
        answer = client.post(address, content=body.tobytes())
        assert answer.status_code == 200, answer.text
    cpu, wall = time.process_time(), time.perf_counter()
    for body in pixels[WARM:]:
        client.post(address, content=body.tobytes())
    return 1000 * (time.process_time() - cpu) / frames, frames / (time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument(
        "--map", nargs="*", default=[name for name, card in explain.map_cards().items() if card.one_pass]
    )
    chosen = parser.parse_args()
    role.is_operator = lambda: True  # type: ignore[assignment]  # the operator has no quota
    families = sorted({name.rpartition("-")[0] for name in models.bundled() if name.endswith("-twin")})
    with TestClient(Starlette(routes=list(camera.ROUTES)), base_url="http://localhost") as client:
        print("| networks | map | CPU ms a frame | frames a second |\n|---|---|---|---|")
        for family in families:
            for name in chosen.map:
                cpu, rate = measure(client, family, name, chosen.frames)
                print(f"| {family} | {explain.map_card(name).title} | {cpu:.1f} | {rate:.0f} |")


if __name__ == "__main__":
    main()
