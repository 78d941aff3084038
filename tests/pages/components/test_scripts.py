"""The components' files and scripts: each folder is whole, its script is one module, and node's own tests pass."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pages.parts.components import loading

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None, reason="node is not installed, so the components' JavaScript is not tested"
)
NAMES = sorted(path.parent.name for path in loading.FOLDER.glob("*/*.py"))


def run_node(*arguments: str) -> str:
    assert NODE
    done = subprocess.run([NODE, *arguments], cwd=loading.FOLDER, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_component_is_a_folder_of_files_with_its_name(name):
    kinds = ("py", "js", "css", "html")
    assert [kind for kind in kinds if not (loading.FOLDER / name / f"{name}.{kind}").is_file()] == []
    assert list((loading.FOLDER / name).glob("*.test.js")), f"components/{name} has no test of its JavaScript."


def test_a_module_is_included_once_and_before_those_that_import_it(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    (tmp_path / "shown").mkdir()
    (tmp_path / "shared.js").write_text("export const one = 1;\n")
    (tmp_path / "shown" / "part.js").write_text(
        'import {one} from "../shared.js";\n\nexport function two() { return 2 * one; }\n'
    )
    (tmp_path / "shown" / "shown.js").write_text(
        'import {\n  one,\n} from "../shared.js";\nimport {two} from "./part.js";\nexport default function () { return one + two(); }\n'
    )
    script = loading.script("shown")
    assert [line for line in script.splitlines() if line] == [
        "const one = 1;",
        "function two() { return 2 * one; }",
        "export default function () { return one + two(); }",
    ]


def test_small_text_grows_while_presenting(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "shown.css").write_text(
        "a { font-size: 12px; } b { font-size: 0.75rem }\nc { font-size: inherit; }"
    )
    least = "var(--least-text, 0px)"
    assert loading.style("shown") == (
        f"a {{ font-size: max(12px, {least}); }} b {{ font-size: max(0.75rem, {least}) }}\nc {{ font-size: inherit; }}"
    )


@needs_node
@pytest.mark.parametrize("name", NAMES)
def test_the_script_that_the_browser_gets_is_one_module(name, tmp_path: Path):
    path = tmp_path / f"{name}.mjs"
    path.write_text(loading.script(name), encoding="utf-8")
    found = run_node("--input-type=module", "-e", f"globalThis.addEventListener = () => {{}}; console.log(JSON.stringify(Object.keys(await import({json.dumps(str(path))}))))")  # fmt: skip
    assert json.loads(found) == ["default"]


@needs_node
def test_the_tests_of_the_scripts_pass():
    assert "# fail 0" in run_node("--test", "--test-reporter=tap", str(loading.FOLDER))
