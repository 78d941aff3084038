"""Streamlit's page gets a script of our own; everything else is left as it is."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.testclient import TestClient

from pages.parts.server import frame

PAGE = "<!DOCTYPE html><head><script>window.a = 1</script><script type=module src=./x.js></script></head>"


def answered(path: str, response: Response, **settings: Any) -> Any:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        await response(scope, receive, send)

    return TestClient(frame.Framed(app)).get(path, **settings), seen


@pytest.mark.parametrize("path", ["/", "/train", "/kd/attention", "/train/"])
def test_a_page_gets_the_script_before_all_others(path):
    found, seen = answered(path, HTMLResponse(PAGE), headers={"Accept-Encoding": "gzip"})
    assert found.text.count("frame.js") == 1
    assert found.text.index("frame.js") < found.text.index("window.a")
    assert int(found.headers["content-length"]) == len(found.content)
    assert "train" in found.text.split('data-pages="')[1].split('"')[0].split()
    assert not [
        value for name, value in seen["headers"] if name == b"accept-encoding"
    ]  # a compressed page cannot be added to


@pytest.mark.parametrize(
    ("path", "response"),
    [
        ("/train", PlainTextResponse(PAGE)),
        ("/train", HTMLResponse(PAGE, status_code=404)),
        ("/_stcore/health", HTMLResponse(PAGE)),
        ("/static/js/index.js", HTMLResponse(PAGE)),
    ],
)
def test_other_answers_stay_as_they_are(path, response):
    assert answered(path, response)[0].text == PAGE


@pytest.mark.parametrize(("name", "has"), [("frame.js", "The server is gone"), ("frame.css", "stCaptionContainer")])
def test_its_files_are_served(name, has):
    found = TestClient(Starlette(routes=list(frame.ROUTES))).get(f"/{name}")
    assert found.headers["content-type"].startswith(frame.TYPES[name])
    assert has in found.text


def test_titles_name_what_is_shown(runner, make_run, open_page, monkeypatch):
    from pages.parts import titles

    run = make_run("finished", name="quick <b>")
    monkeypatch.setattr(titles.st, "query_params", Query(run=[run]))
    assert titles.of("train", "Train") == "quick <b> · Train · Distillation Explorer"
    monkeypatch.setattr(titles.st, "query_params", Query(run=[run, "other"]))
    assert titles.of("runs", "Runs") == "2 runs · Runs · Distillation Explorer"
    monkeypatch.setattr(titles.st, "query_params", Query(run=["gone"], study=["gone"], method=["../x"]))
    assert titles.of("runs", "Runs") == "Runs · Distillation Explorer"
    assert titles.of("studies", "Studies") == "Studies · Distillation Explorer"
    assert titles.of("methods", "Methods") == "Methods · Distillation Explorer"
    assert titles.of("", "Start") == "Distillation Explorer"


class Query(dict[str, list[str]]):
    def __init__(self, **values: list[str]) -> None:
        super().__init__(values)

    def get_all(self, name: str) -> list[str]:
        return super().get(name, [])

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, [default])[-1]
