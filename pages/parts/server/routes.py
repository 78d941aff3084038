"""Live figures of runs as JSON, for charts in the browser that update without a rerun of the page.

GET /api/runs/{id}/state                        status, progress and latest results
GET /api/runs/{id}/series?since=STEP&names=a,b  points from a step on; without `since` all of them, thinned out
GET /api/runs/{id}/series?since=STEP&to=STEP    points between two steps, all of them where they are few enough
"""

import re
from collections.abc import Sequence
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kdcore.errors import DamagedRun, UserError
from kdcore.export import curves
from kdcore.results import json_text
from kdcore.store import ACTIVE, RunState
from pages.parts import engine
from pages.parts.server import camera, frame, moments, presenting
from pages.parts.server.frame import Framed
from pages.parts.server.headers import SecureHeaders
from pages.parts.server.hosts import OwnAddress
from pages.parts.server.messages import KnownMessages
from pages.parts.server.uploads import UploadQuota

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
    since, to = request.query_params.get("since", "-1"), request.query_params.get("to", "")
    for name, step in (("since", since), ("to", to)):
        if not STEP.fullmatch(step) and not (name == "to" and not step):
            return JSONResponse(
                {"error": f"`{name}` is {step[:40]!r}; the number of a step was expected."}, status_code=400
            )
    names = tuple(sorted(filter(None, request.query_params.get("names", "").split(","))))
    try:
        store, run_id = engine.store(), _run_id(request)
        run = store.state(run_id)
        if run.status == "damaged":
            return _damaged(run.damage)
        version = store.version(run_id)
        if to:
            body = curves.stretch(store, run_id, version, _step(since, run), _step(to, run), names)
        else:
            known = int(since) if 0 <= int(since) <= run.step else -1  # whatever it is, all points are one response
            body = curves.new_points(store, run_id, version, run.status, known, names)
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


def _step(text: str, run: RunState) -> int:
    """A step from -1 to the one after the run's last: whatever lies beyond is the same response."""
    return min(max(int(text), -1), max(run.step, run.steps) + 1)


def summary(run: RunState) -> dict[str, Any]:
    return {
        "status": run.status, "active": run.status in ACTIVE, "step": run.step, "steps": run.steps, "epoch": run.epoch,
        "epochs": run.epochs, "remaining_seconds": run.remaining_seconds, "images_per_second": run.images_per_second,
        "latest": run.latest, "teacher": run.teacher, "results": run.results, "probes": len(run.probes),
    }  # fmt: skip


ROUTES: Sequence[BaseRoute] = (
    Route("/api/runs/{id}/state", state),
    Route("/api/runs/{id}/series", series),
    *camera.ROUTES,
    *frame.ROUTES,
    *presenting.ROUTES,
    *moments.ROUTES,
)
MIDDLEWARE: Sequence[Middleware] = (
    Middleware(SecureHeaders),
    Middleware(OwnAddress),
    Middleware(KnownMessages),
    Middleware(UploadQuota),
    Middleware(Framed),
)
