"""What the presenter shows, as JSON.

GET /api/stage?known=VERSION   the state; 204 where it is still that version
POST /api/stage                the presenter's window keeps it up to date; its secret is in the header X-Window
"""

import json
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kdcore.errors import NotAllowed, UserError
from pages.parts import engine
from pages.parts.roles import role
from pages.parts.stage.state import stage

LARGEST = 8192  # bytes of a message


async def current(request: Request) -> Response:
    active = engine.runner().active()
    version, text = stage.text(active[0] if active else "")
    if request.query_params.get("known") == version:
        return Response(status_code=204)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


async def show(request: Request) -> Response:
    """Role, Host and Origin are checked: a page of another address cannot send this header."""
    window = role.windows.by_secret(request.headers.get("x-window", ""))
    try:
        if window is None:  # before anything is read
            raise NotAllowed("Only the window of the presenter can do this.")
        stage.show(window, json.loads(await _body(request)))
    except NotAllowed as error:
        return JSONResponse({"error": str(error)}, 403)
    except UserError as error:
        return JSONResponse({"error": str(error)}, 400)
    except (ValueError, RecursionError):
        return JSONResponse({"error": "A view is sent as JSON."}, 400)
    except ClientDisconnect:
        return Response(status_code=400)
    return Response(status_code=204)


async def _body(request: Request) -> bytes:
    """Raises UserError where it is too long, without reading the rest."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise UserError(f"A view has at most {LARGEST:,} bytes.")
    return body


ROUTES: Sequence[Route] = (
    Route("/api/stage", current, methods=["GET"]),
    Route("/api/stage", show, methods=["POST"]),
)
