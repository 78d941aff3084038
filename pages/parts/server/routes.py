"""Live figures of runs as JSON, for charts in the browser that update without a rerun of the page.

GET /api/runs/{id}/state                        status, progress and latest results
GET /api/runs/{id}/series?since=STEP&names=a,b  points from a step on; without `since` all of them, thinned out
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kdcore.errors import DamagedRun, UserError
from kdcore.results import json_text
from kdcore.store import ACTIVE, RunState, Store
from pages.parts import engine
from pages.parts.server.headers import SecureHeaders
from pages.parts.server.hosts import OwnAddress
from pages.parts.server.messages import KnownMessages
from pages.parts.server.uploads import UploadQuota

MOST_POINTS = 1500  # of a series, in one response
STEP = re.compile(r"-?[0-9]{1,300}")
LONGEST_NAME = 255  # of a folder; a run is a folder


def state(request: Request) -> Response:
    try:
        run = engine.store().state(_run_id(request))
    except UserError:
        return JSONResponse({"error": "There is no such run."}, status_code=404)
    if run.status == "damaged":
        return _damaged(run.damage)
    return JSONResponse(json_text.finite(summary(run)))


def series(request: Request) -> Response:
    since = request.query_params.get("since", "-1")
    if not STEP.fullmatch(since):
        return JSONResponse(
            {"error": f"`since` is {since[:40]!r}; the number of a step was expected."}, status_code=400
        )
    names = tuple(sorted(filter(None, request.query_params.get("names", "").split(","))))
    try:
        store, run_id = engine.store(), _run_id(request)
        run = store.state(run_id)
        if run.status == "damaged":
            return _damaged(run.damage)
        body = _series(store, run_id, store.version(run_id), run.status, int(since), names)
    except DamagedRun as error:
        return _damaged(str(error))
    except UserError:
        return JSONResponse({"error": "There is no such run."}, status_code=404)
    return Response(body, media_type="application/json")


def _damaged(why: str) -> Response:
    return JSONResponse({"error": f"The run's folder is damaged. {why}"}, status_code=409)


def _run_id(request: Request) -> str:
    """Raises ValueError for a name that no folder can have, so no run."""
    run_id = str(request.path_params["id"])
    if len(run_id) > LONGEST_NAME:
        raise UserError(f"A run's name has at most {LONGEST_NAME} characters, not {len(run_id)}.")
    return run_id


def summary(run: RunState) -> dict[str, Any]:
    return {
        "status": run.status, "active": run.status in ACTIVE, "step": run.step, "steps": run.steps, "epoch": run.epoch,
        "epochs": run.epochs, "remaining_seconds": run.remaining_seconds, "images_per_second": run.images_per_second,
        "latest": run.latest, "teacher": run.teacher, "results": run.results, "probes": len(run.probes),
    }  # fmt: skip


@lru_cache(maxsize=64)
def _series(store: Store, run_id: str, version: int, status: str, since: int, names: tuple[str, ...]) -> bytes:
    """The response as bytes, cached, since all browsers that watch a run request the same."""
    run, found = store.state(run_id), store.series(run_id)
    reset = since < 0 or since > run.step  # a resumed run starts again from its checkpoint
    points = {}
    for name in names or found:
        if name in found:
            steps, values = found[name]
            # the step `since` is sent again, as its evaluation comes after its losses
            first = 0 if reset else int(np.searchsorted(steps, since))
            points[name] = _plain(*thinned(steps[first:], values[first:], MOST_POINTS))
    response = {
        "status": status, "active": status in ACTIVE, "step": run.step, "epochs": run.epochs, "reset": reset,
        "steps_per_epoch": run.steps / run.epochs if run.steps and run.epochs else 0, "teacher": run.teacher,
        "series": points,
    }  # fmt: skip
    return json_text.text(response, separators=(",", ":")).encode()


def thinned(steps: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points: the lowest and the highest of each interval, so that no spike is lost."""
    if len(steps) <= most:
        return steps, values
    gaps = np.isnan(values)
    # an interval of gaps alone keeps its first point, which is a gap
    low, high = (np.where(gaps, of, values) if gaps.any() else values for of in (np.inf, -np.inf))
    length = -(-len(steps) // (most // 2 - 1))  # of an interval; the last one is shorter
    whole = len(steps) // length * length
    starts = np.arange(0, whole, length)
    lowest, highest = low[:whole].reshape(-1, length).argmin(1), high[:whole].reshape(-1, length).argmax(1)
    kept = [0, *(starts + lowest), *(starts + highest)]
    if whole < len(steps):
        kept += [whole + int(low[whole:].argmin()), whole + int(high[whole:].argmax())]
    chosen = np.unique([*kept, len(steps) - 1])
    return steps[chosen], values[chosen]


def _plain(steps: np.ndarray, values: np.ndarray) -> list[list[Any]]:
    """Steps and values as lists; five significant digits are more than a screen shows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (4 - np.floor(np.log10(np.abs(values))))
        rounded = np.where(values == 0, 0.0, np.round(values * scale) / scale)
    return [steps.tolist(), [value if math.isfinite(value) else None for value in rounded.tolist()]]


ROUTES: Sequence[Route] = (Route("/api/runs/{id}/state", state), Route("/api/runs/{id}/series", series))
MIDDLEWARE: Sequence[Middleware] = (
    Middleware(SecureHeaders),
    Middleware(OwnAddress),
    Middleware(KnownMessages),
    Middleware(UploadQuota),
)
