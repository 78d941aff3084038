"""A stranger adds a method by adding the one file and the one test that CONTRIBUTING shows, and edits nothing else."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from streamlit.testing.v1 import AppTest

from kdcore import methods
from kdcore.events import StepEnded, StepTaken
from kdcore.inspection import method_pages
from kdcore.paths import PROJECT
from kdcore.recipe import Term
from kdcore.setup.build import build_parts
from kdcore.store import Store
from kdcore.training.loop import train
from pages.parts import engine, page_table
from tests.kdcore.methods import test_every_method as owed

SECTION = (
    (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Add a method\n")[2].partition("\n## ")[0]
)
METHOD, TEST = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file from CONTRIBUTING lies among the methods."""
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "ttm.py").write_text(METHOD, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    yield
    sys.modules.pop("kdcore.methods.ttm", None)


def test_it_is_among_the_methods_and_a_recipe_may_name_it():
    assert "ttm" in methods.names()
    methods.check(Term(method="ttm", temperature=2.0, options={"scale": 0.5}))
    with pytest.raises(ValueError, match="'ttm' has no option 'scael'. Did you mean 'scale'"):
        methods.check(Term(method="ttm", options={"scael": 0.5}))


@pytest.mark.parametrize("pairing", owed.PAIRINGS)
def test_it_does_what_every_method_owes(pairing):
    owed.test_gives_a_finite_scalar_whose_gradient_reaches_the_student_or_refuses_with_a_reason("ttm", pairing)
    owed.test_what_it_remembers_is_in_its_state("ttm")
    owed.test_says_what_it_needs_and_where_it_comes_from("ttm")


def test_its_own_test_passes():
    names: dict[str, object] = {}
    exec(compile(TEST, "test_ttm.py", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for each in tests:
        each()


def test_it_has_a_page_in_the_documentation():
    pages = method_pages.pages()
    assert "| [Transformed teacher matching](ttm.md) | `ttm` | logits |" in pages["README.md"]
    assert "| `scale` | `1.0` | factor on the loss, beside the term's weight. |" in pages["ttm.md"]


def test_it_trains(tiny):
    terms = [{"method": "ce", "weight": 0.5}, {"method": "ttm", "temperature": 2.0}]
    steps = build_parts(tiny(terms=terms, twin=False), seed=0, device=torch.device("cpu"))
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        parts = ended.value
    for event in train(parts):
        if isinstance(event, StepEnded):
            assert event.losses["student"]["ttm"] > 0
        if isinstance(event, StepTaken) and event.step == 2:
            break
    assert parts.step == 2


def test_the_page_methods_shows_its_card(tmp_path, monkeypatch):
    fake = SimpleNamespace(store=Store(tmp_path / "runs"), active=lambda: ())
    monkeypatch.setattr(engine.process, "process_runner", lambda: fake)
    shell = str(page_table.PAGES / "parts" / "shell.py")
    page = AppTest.from_file(shell, default_timeout=120).switch_page(page_table.METHODS).run()
    assert "**Transformed teacher matching**" in [button.label for button in page.button]
    page.button(key="open-ttm").click().run()
    assert not page.exception
    assert page.title[0].value == "Transformed teacher matching"
    assert r"\mathrm{KL}\left(p_{T}^{\tau} \,\|\, p_{S}\right)" in page.latex[0].value
