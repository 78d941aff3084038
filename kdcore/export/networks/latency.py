"""Latency and memory of ONNX files, measured in a process of its own that has numpy and onnxruntime alone.

    python latency.py THREADS SECONDS FILE...      -> one line of JSON
    python latency.py --memory THREADS FILE        -> one line of JSON

Files take turns, run by run, so that what slows the machine for a while slows all of them. Memory is measured in a process for each
file: by how much its resident memory has grown at its largest, from before the file is loaded until after batches of every size.
"""

import json
import sys
import time
from typing import Any

import numpy as np

BATCHES = (1, 32)
WARMUP, LEAST, MOST = 3, 20, 200  # runs of each file and batch


def session(file: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def images(loaded: Any, count: int) -> np.ndarray:
    side = int(loaded.get_modelmeta().custom_metadata_map["image_size"])
    return np.random.default_rng(0).random((count, 3, side, side), dtype=np.float32)


def latency(files: list[str], threads: int, seconds: float) -> dict[str, Any]:
    """File -> batch -> runs, median and 95 % quantile in milliseconds. At least `LEAST` runs each, more within the time."""
    loaded = {file: session(file, threads) for file in files}
    found: dict[str, Any] = {file: {} for file in files}
    for count in BATCHES:
        inputs = {file: {"images": images(each, count)} for file, each in loaded.items()}
        times: dict[str, list[float]] = {file: [] for file in files}
        began = time.perf_counter()
        for turn in range(-WARMUP, MOST):
            if turn >= LEAST and time.perf_counter() - began > seconds:
                break
            for file, each in loaded.items():
                start = time.perf_counter()
                each.run(None, inputs[file])
                if turn >= 0:
                    times[file].append(1000 * (time.perf_counter() - start))
        for file, taken in times.items():
            middle, slow = np.percentile(taken, [50, 95])
            found[file][str(count)] = {"runs": len(taken), "median": float(middle), "p95": float(slow)}
    return found


def memory(file: str, threads: int) -> dict[str, int]:
    """Bytes by which the process has grown at its largest."""
    import onnxruntime  # noqa: F401 - its own memory is not the network's

    before = _largest()
    loaded = session(file, threads)
    for count in BATCHES:
        loaded.run(None, {"images": images(loaded, count)})
    return {"bytes": max(0, _largest() - before)}


def _largest() -> int:
    """The largest resident memory of this process so far, in bytes: on Linux since it was started, not that of the process before `exec`."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return _largest_elsewhere()


def _largest_elsewhere() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return (1 if sys.platform == "darwin" else 1024) * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if sys.argv[1] == "--memory":
        print(json.dumps(memory(sys.argv[3], int(sys.argv[2]))))
    else:
        print(json.dumps(latency(sys.argv[3:], int(sys.argv[1]), float(sys.argv[2]))))
