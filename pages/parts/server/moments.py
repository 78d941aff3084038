"""What is new of a run's curves and heatmaps, for a page that shows it live.

GET /api/runs/{id}/moments?since=PROBE&version=VERSION   204 where nothing is newer than the version; else as `runs.moments` has it
"""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kdcore.errors import UserError
from kdcore.results import json_text
from kdcore.runtime.once import once
from kdcore.store import Store
from pages.parts import engine
from pages.parts.runs import moments as of

PLACE = re.compile(r"-1|[0-9]{1,9}")


def moments(request: Request) -> Response:
    since = request.query_params.get("since", "-1")
    if not PLACE.fullmatch(since):
        return JSONResponse(
            {"error": f"`since` is {since[:40]!r}; the number of a probe was expected."}, status_code=400
        )
    run_id = str(request.path_params["id"])
    try:
        store = engine.store()
        run = store.state(run_id) if len(run_id) <= 255 else None
        if run is None or run.status == "damaged":
            return JSONResponse({"error": "There is no such run, or it is damaged."}, status_code=404)
        version = store.version(run_id)
        if request.query_params.get("version") == f"{version} {run.status}":
            return Response(status_code=204)
        known = int(since) if int(since) < len(run.probes) else -1  # whatever it is, all of them is one response
        return Response(_body(store, run_id, version, run.status, known), media_type="application/json")
    except UserError:
        return JSONResponse({"error": "There is no such run."}, status_code=404)


@once(maxsize=32)
def _body(store: Store, run_id: str, version: int, status: str, since: int) -> bytes:
    """The response as bytes, cached, since all browsers that watch a run request the same."""
    return json_text.text(of.of_run(store, run_id, version, status, since), separators=(",", ":")).encode()


ROUTES = (Route("/api/runs/{id}/moments", moments),)
