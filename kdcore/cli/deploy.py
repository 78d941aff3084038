"""`deploy`: a finished run's networks side by side: accuracy, size, operations, latency and memory, in float32 and INT8."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from kdcore.cli.options import Json, RunId, noted, store
from kdcore.results import json_text

app = App(
    name="deploy",
    help_epilogue="""Every network is exported as ONNX and measured as that file, with the threads of KD_THREADS (default: all cores).
The table is stored with the run, whose page shows it. docs/deploy.md says how each figure is measured.

Examples:

  python -m kdcore deploy ID
  python -m kdcore deploy ID --also pruned.safetensors
  python -m kdcore deploy ID --json""",
)


@app.default
def deploy(
    run_id: RunId,
    /,
    *,
    also: Annotated[list[str] | None, Parameter(consume_multiple=(1, None), metavar="NETWORK...")] = None,
    images: int | None = None,
    seconds: float = 5.0,
    as_json: Json = False,
) -> int:
    """Compare a run's networks for deployment.

    Args:
        also: Further networks: run:ID/student of another run, or .safetensors files such as a pruned student's.
        images: How many test images. Default: all.
        seconds: Time for latency, for each size of batch.
    """
    from kdcore.export.networks import deploying

    runs = store()
    table = deploying.measure(run_id, runs, also=also or (), at_most=images, seconds=seconds, report=noted)
    if as_json:
        print(json_text.text(table.plain()))
    else:
        show(table.plain())
    if deploying.keep(table, runs) and not as_json:
        noted(f"The page of run {run_id} shows this table.")
    return 0


def show(table: dict[str, Any]) -> None:
    """Print a table as Markdown, with what it was measured on."""
    devices = ["cpu", *(["gpu"] if table["gpu"] else [])]
    heads = ["network", "accuracy (95 % interval)", "file", "parameters", "MACs"]
    heads += [f"{device.upper()} ms, batch {count}" for device in devices for count in ("1", "32")] + ["peak memory"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in table["rows"]:
        print(f"| {' | '.join(_cells(row, devices))} |")
    print(
        f"\n{table['images']:,} test images, the same for all. CPU: onnxruntime {table['onnxruntime']}, {table['threads']} threads, "
        f"{table['cpu']}; median, in brackets the 95 % quantile."
        + (f" GPU: PyTorch, float32, {table['gpu']}." if table["gpu"] else "")
        + " Peak memory: growth of a process with onnxruntime alone, up to batches of 32."
    )
    for row in table["rows"]:
        if row["against"]:
            print(f"{row['name']} - student: {row['against']}")
    for note in table["notes"]:
        print(note)


def _cells(row: dict[str, Any], devices: list[str]) -> list[str]:
    accuracy = "not measured"
    if row["top1"] is not None:
        accuracy = f"{100 * row['top1']:.2f} % ({100 * row['low']:.2f} to {100 * row['high']:.2f})"
    times = [row["latency"].get(device, {}).get(count) for device in devices for count in ("1", "32")]
    return [
        row["name"], accuracy, f"{row['file_bytes'] / 1e6:.2f} MB", f"{row['parameters']:,}", f"{row['macs'] / 1e6:.1f} M",
        *(f"{each['median']:.2f} ({each['p95']:.2f})" if each else "" for each in times),
        "-" if row["memory"] is None else f"{row['memory'] / 2**20:.1f} MiB",
    ]  # fmt: skip
