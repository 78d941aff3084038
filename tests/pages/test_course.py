"""The ten exercises of docs/course.md: each link opens with the bundled networks, and what it hides is there and hidden."""

import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks import course
from kdcore.paths import ASSETS
from kdcore.store import Store
from pages.parts import engine, page_table
from pages.parts.components import loading
from pages.parts.teaching.controls import PAGES, Control
from tests.pages.conftest import SECONDS
from tests.pages.test_teaching import keys_of, styles

TEXT = course.COURSE.read_text(encoding="utf-8")
LINKS = re.findall(r"^    ([a-z]+\?\S+)$", TEXT, re.MULTILINE)


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch) -> None:
    """The engine with what comes with the project, and no run besides the recording."""
    store = Store(tmp_path / "runs", recorded=ASSETS / "runs")
    found = SimpleNamespace(store=store, active=lambda: ())
    monkeypatch.setattr(engine.process, "process_runner", lambda: found)
    monkeypatch.setattr(
        engine, "quick_evaluation", lambda *_, **__: iter(())
    )  # tested with Robustness, and takes seconds


def opened(page: str, address: dict) -> AppTest:
    at = AppTest.from_file(str(page_table.PAGES / "parts" / "shell.py"), default_timeout=SECONDS)
    at.switch_page(str(page_table.PAGES / f"{page}.py"))
    for name, value in address.items():
        at.query_params[name] = value
    return at.run()


def is_drawn(control: Control, keys: set[str]) -> bool:
    return any(key.startswith(wanted.rstrip("*")) for wanted in control.keys for key in keys) or bool(control.parts)


@pytest.mark.parametrize("link", LINKS, ids=[f"exercise {number}" for number in range(1, len(LINKS) + 1)])
def test_a_link_opens_and_hides_what_is_there(link, bundled, visiting):
    page, _, query = link.partition("?")
    address = {name: values[0] if len(values) == 1 else values for name, values in parse_qs(query).items()}
    at = opened(page, address)
    assert not at.exception
    assert [each.value for each in (*at.warning, *at.error)] == []
    controls = PAGES["run" if "run" in address else page]
    hidden, drawn = address["hide"].split(","), keys_of(at._tree)
    own = {
        "start",
        "evaluate",
        "upload",
        "adjust",
        "measure",
    }  # not drawn for a visitor, or while nothing is to be done
    assert [name for name in hidden if name not in own and not is_drawn(controls[name], drawn)] == []
    for name in hidden:
        assert all(f"st-key-{key.rstrip('*')}" in styles(at) for key in controls[name].keys)
    chosen = {box.key: box.options[box.index] for box in at.selectbox if box.index is not None}
    chosen |= {slider.key: str(slider.value) for slider in at.select_slider}
    assert {name: chosen[name] for name in address if name in chosen} == {
        name: address[name] for name in address if name in chosen
    }


def test_there_are_ten_exercises_each_with_a_question_and_a_measured_answer():
    parts = re.split(r"^## \d+\. ", TEXT, flags=re.MULTILINE)[1:]
    assert len(parts) == len(LINKS) == len(course.MEASURES) == 10
    for part in parts:
        assert all(word in part for word in ("**Do.**", "**See.**", "**Question.**", "**Answer.**", "\nMeasured. "))


def test_the_course_names_what_can_be_hidden():
    for controls in PAGES.values():
        assert all(f"`{name}`" in TEXT for name in controls)


@pytest.mark.parametrize(
    "part", sorted({part for page in PAGES.values() for each in page.values() for part in each.parts})
)
def test_a_part_that_can_be_hidden_is_in_a_components_style(part):
    styles = [path.read_text() for path in loading.FOLDER.glob("*/*.css")]
    assert any(f"var(--hide-{part}," in text for text in styles)
