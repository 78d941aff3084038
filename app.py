"""The server process: one Runner from start to end, the pages, and live figures of runs as JSON.

streamlit run app.py
"""

import asyncio
import contextlib
import gc
import importlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import streamlit as st

from kdcore import paths, photos
from kdcore.recipe import library
from pages.parts import boundary, engine
from pages.parts.roles import exposure, passcode
from pages.parts.server import deferred, replies, routes, values

ROOT = Path(__file__).resolve().parent
CLOSING_SECONDS = 4.0
PREPARE = "KD_PREPARE"  # 0: nothing is done ahead of the first run
QUICK = "quick"  # the recipe that Start trains
LISTENS_SECONDS = 1.0  # after the start, when it is seen at which addresses the server listens


def announce() -> None:
    """Print the passcode where others can reach the app and nobody has set one."""
    if exposure.is_open():
        passcode.value()


def may_prepare() -> bool:
    """Whether to work ahead of the first run: not where it is switched off, nor while another process trains."""
    return os.environ.get(PREPARE) != "0" and not engine.another_run_trains()


@contextlib.asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
    """The Runner lives as long as the server, whatever browsers do; it stops with a checkpoint."""
    prepares = await asyncio.to_thread(may_prepare)
    drawing = await asyncio.to_thread(engine.draw_ahead, library.recipe(QUICK)) if prepares else None
    runner = await asyncio.to_thread(engine.process_runner)
    for heavy in ("pandas", "altair", "cv2"):  # at the start, so that the first visitor does not wait
        await asyncio.to_thread(importlib.import_module, heavy)
    photos.warm()
    paths.restrict(exposure.is_open)
    asyncio.get_running_loop().call_later(LISTENS_SECONDS, announce)
    if prepares:
        runner.prepare(library.recipe(QUICK))
    gc.collect()
    gc.freeze()  # modules stay loaded: later collections skip them and delay training less
    try:
        yield {}
    finally:
        if drawing:
            drawing.terminate()
        await asyncio.to_thread(runner.close, CLOSING_SECONDS)
        photos.close()
        gc.unfreeze()  # otherwise libraries report frozen objects as leaked


replies.keep()
values.check()
deferred.explain()
app = st.App(
    ROOT / "pages" / "parts" / "shell.py",
    lifespan=lifespan,
    routes=routes.ROUTES,
    middleware=routes.MIDDLEWARE,
    on_script_error=boundary.show,
)

if __name__ == "__main__":
    app.run()
