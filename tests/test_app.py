"""The server process: its runner, routes and settings."""

import asyncio
import contextlib
import inspect
import re
import tomllib
from types import SimpleNamespace

import pytest

import app
from kdcore.paths import PROJECT
from kdcore.recipe import library
from kdcore.store import Store
from pages.parts import engine, page_table


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(engine, "process_runner", lambda: SimpleNamespace(close=seconds.append))
    monkeypatch.setattr(app.gc, "freeze", lambda: None)  # so that the garbage of other tests is collected
    return seconds


def test_the_runner_closes_with_the_server_and_not_before(closed):
    async def live() -> None:
        async with app.lifespan(None):
            assert not closed

    asyncio.run(live())
    assert closed == [app.CLOSING_SECONDS]
    assert app.CLOSING_SECONDS < 5


def test_the_runner_closes_when_the_server_fails(closed):
    async def live() -> None:
        async with app.lifespan(None):
            raise RuntimeError("port taken")

    with pytest.raises(RuntimeError, match="port taken"):
        asyncio.run(live())
    assert closed


@pytest.mark.parametrize(
    "switch, trains, prepared",
    [("", False, ["draw quick", "prepare quick", "stop drawing"]), ("0", False, []), ("", True, [])],
)
def test_the_first_run_is_prepared_unless_that_is_switched_off_or_another_run_trains(
    switch, trains, prepared, closed, monkeypatch, tmp_path
):
    async def live() -> None:
        async with app.lifespan(None):
            pass

    seen = []

    def draw(recipe):
        seen.append(f"draw {recipe.name}")
        return SimpleNamespace(terminate=lambda: seen.append("stop drawing"))

    runner = SimpleNamespace(close=closed.append, prepare=lambda recipe: seen.append(f"prepare {recipe.name}"))
    monkeypatch.setattr(engine, "process_runner", lambda: runner)
    monkeypatch.setattr(engine, "draw_ahead", draw)
    monkeypatch.setenv("KD_PREPARE", switch)
    monkeypatch.setenv("KD_RUNS", str(tmp_path))
    store = Store(tmp_path)
    run_id = store.create(library.recipe("quick"))
    with store.writer(run_id) if trains else contextlib.nullcontext():
        asyncio.run(live())
    assert seen == prepared


def test_the_router_does_not_lie_beside_a_folder_of_pages():
    """Otherwise Streamlit would list those files as pages of its own, and deep links would break."""
    router = PROJECT / "pages" / "parts" / "shell.py"
    assert router.is_file()
    assert not (router.parent / "pages").exists()


def test_every_page_is_in_the_table():
    files = {str(path) for path in (PROJECT / "pages").glob("*.py")}
    in_menu = re.findall(r"st\.Page\((\w+),", inspect.getsource(page_table.table))
    assert files == {getattr(page_table, name) for name in in_menu}


def test_the_settings_that_training_depends_on():
    settings = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())
    assert settings["runner"]["postScriptGC"] is False
    assert settings["server"]["fileWatcherType"] == "none"
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["client"]["toolbarMode"] == "viewer"
    assert settings["logger"]["enableRich"] is False
