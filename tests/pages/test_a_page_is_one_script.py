"""The page and the test that CONTRIBUTING shows run as they are printed there."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kdcore.paths import PROJECT

SECTION = (
    (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Add a page\n")[2].partition("\n## ")[0]
)
PAGE, ENTRY, TEST = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)


@pytest.fixture
def open_printed(runner, tmp_path: Path):
    def open_it(name: str) -> AppTest:
        path = tmp_path / name
        path.write_text(PAGE, encoding="utf-8")
        return AppTest.from_file(str(path), default_timeout=120).run()

    return open_it


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)", TEST, flags=re.MULTILINE))
def test_the_page_passes_its_test(name, open_printed, make_run):
    namespace: dict = {}
    exec(TEST, namespace)
    test = namespace[name]
    fixtures = {"open_page": open_printed, "make_run": make_run}
    test(**{key: fixtures[key] for key in test.__code__.co_varnames[: test.__code__.co_argcount]})


def test_the_entry_has_the_form_of_the_page_table():
    table = (PROJECT / "pages" / "parts" / "page_table.py").read_text(encoding="utf-8")
    constant, entry = (line.strip() for line in ENTRY.splitlines())
    for line, of_methods in (
        (constant, 'METHODS = str(PAGES / "methods.py")'),
        (entry, 'st.Page(METHODS, title="Methods", icon=":material/menu_book:", url_path="methods"),'),
    ):
        assert of_methods in table
        assert re.sub(r"favorite|menu_book", "", line.lower()).replace("health", "methods") == re.sub(
            r"favorite|menu_book", "", of_methods.lower()
        )
