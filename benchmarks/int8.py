"""Does INT8 cost a distilled student more than its twin? Runs of one recipe, a seed each.

    python -m kdcore distill quick --seeds 0 1 2        # or any recipe with a twin
    python -m benchmarks.int8 ID ID ID [--images N]

Student and twin of each run are exported as ONNX, quantised to INT8 with the same validation images, and run by onnxruntime on the same
test images. Prints each seed, and cost of the student - cost of the twin with its interval over seeds and images.
"""

import argparse
import sys

from kdcore.cli.options import store
from kdcore.errors import UserError
from kdcore.export.networks import int8_cost
from kdcore.results.comparison import Outcome, conclude_costs, costs_claim

NAMES = int8_cost.NETWORKS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="ID")
    parser.add_argument("--images", type=int, help="test images; default: all")
    options = parser.parse_args()
    runs = store()
    try:
        measured = [int8_cost.outcomes(run_id, runs, options.images) for run_id in options.runs]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show([before for before, _ in measured], [after for _, after in measured])
    return 0


def show(before: list[Outcome], after: list[Outcome]) -> None:
    """The table as Markdown, and the conclusion."""
    heads = [f"{name}{form}" for name in NAMES for form in ("", " INT8", ": cost")]
    print(f"| seed | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    for was, now in zip(before, after, strict=True):
        print(f"| {was.seed} | {' | '.join(cell for name in NAMES for cell in cells(was, now, name))} |")
    print(f"\n{before[0].results[NAMES[0]]['count']:,.0f} test images. Cost of the student - cost of the twin:")
    print(costs_claim(conclude_costs(before, after, *NAMES), "INT8", "the student", "its twin"))


def cells(was: Outcome, now: Outcome, name: str) -> list[str]:
    accuracies = [100 * each.results[name]["top1"] for each in (was, now)]
    return [f"{accuracies[0]:.2f} %", f"{accuracies[1]:.2f} %", f"{accuracies[0] - accuracies[1]:+.2f}"]


if __name__ == "__main__":
    sys.exit(main())
