"""The packages of kdcore and which way imports may point; docs/architecture.md shows them in the same order."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

from kdcore.paths import PROJECT
from tools import architecture
from tools.architecture import ORDER

KDCORE = PROJECT / "kdcore"
RANK = {package: number for number, package in enumerate(ORDER)}
SCREENS = [PROJECT / "app.py", *sorted((PROJECT / "pages").rglob("*.py"))]

INTERFACE = PROJECT / "pages" / "parts" / "engine"  # from the pages to the rest of the engine
FOR_SCREENS = (
    "errors",
    "paths",
    "events",
    "recipe",
    "results",
    "store",
    "photos",
    "data.datasets",
    "checks.findings",
    "runtime.once",
    "inspection",
    "export",
)
WITHOUT_TORCH = (
    "paths",
    "events",
    "recipe.study",
    "recipe.schedules",
    "recipe.references",
    "recipe.limits",
    "data.datasets.cues",
    "data.datasets.folder",
    "results.comparison",
    "results.diagnoses",
    "results.predictions",
    "results.pitfalls",
    "store",
    "checks.findings",
    "checks.preflight",
    "export.folder",
    "export.curves",
)


@functools.cache
def imports(path: Path, *, for_types: bool = False) -> set[str]:
    """Dotted names that a file imports, at its top or inside a function: "kdcore.store", "torch.nn".

    What stands under `if TYPE_CHECKING:` is read by a type checker alone, so it counts only where it is asked for.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set() if for_types else {id(node) for guard in _type_guards(tree) for node in ast.walk(guard)}
    package = path.relative_to(PROJECT).with_suffix("").parts[:-1]
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def _type_guards(tree: ast.AST) -> list[ast.If]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", ""))
    ]


def packages_used(path: Path) -> set[str]:
    """The packages and root modules of kdcore that a file imports."""
    parts = (name.split(".") for name in imports(path))
    used = {part[1] for part in parts if part[0] == "kdcore" and len(part) > 1}
    return {name for name in used if (KDCORE / name).is_dir() or (KDCORE / f"{name}.py").is_file()}


def package_of(path: Path) -> str:
    return path.relative_to(KDCORE).with_suffix("").parts[0]


def engine_files() -> list[Path]:
    return [path for path in sorted(KDCORE.rglob("*.py")) if path != KDCORE / "__init__.py"]


def screen_files() -> list[Path]:
    return [path for path in SCREENS if path.is_file()]


def by_name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def of_libraries(path: Path, *libraries: str, for_types: bool = False) -> set[str]:
    return {name for name in imports(path, for_types=for_types) if name.split(".")[0] in libraries}


def listed(wrong: dict[Path, set[str]]) -> str:
    """Which file imports which names; empty where there are none."""
    return "; ".join(f"{by_name(path)} imports {', '.join(sorted(names))}" for path, names in wrong.items() if names)


def test_the_order_names_what_there_is():
    there = {package_of(path) for path in engine_files()}
    assert sorted(ORDER) == sorted(there), (
        f"Not in the order: {sorted(there - set(ORDER))}; not in kdcore: {sorted(set(ORDER) - there)}. "
        "Mend LAYERS in tools/architecture.py, then run `python -m tools.architecture`."
    )


def test_imports_point_down_the_order():
    upward = {
        path: {used for used in packages_used(path) if RANK[used] > RANK[package_of(path)]} for path in engine_files()
    }
    assert not listed(upward), (
        f"{listed(upward)}: these come after its own package in the order. "
        "Pass it in from above, or move what both need to the lower one."
    )


def test_the_document_shows_the_tree_as_it_is():
    document = architecture.DOCUMENT.read_text(encoding="utf-8")
    assert document == architecture.written(document), (
        "docs/architecture.md is old: run `python -m tools.architecture`."
    )


def test_every_package_says_what_it_is_for():
    silent = [
        by_name(path.parent)
        for path in KDCORE.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_engine_knows_no_screen():
    screens = {path: of_libraries(path, "streamlit", "pages", "app", for_types=True) for path in engine_files()}
    assert not listed(screens), f"{listed(screens)}: the engine works without a screen."


def test_screens_leave_tensors_to_the_engine():
    tensors = {path: of_libraries(path, "torch", "timm", "torchvision") for path in screen_files()}
    assert not listed(tensors), (
        f"{listed(tensors)}: pages take numpy and plain data from kdcore.inspection, "
        "kdcore.store and pages/parts/engine."
    )


def test_screens_take_plain_data_and_what_inspection_and_runner_give():
    inner = {path: inner_names(path) for path in screen_files() if INTERFACE not in path.parents}
    assert not listed(inner), (
        f"{listed(inner)}: pages import {', '.join(FOR_SCREENS)} alone. Ask "
        "kdcore.inspection about a network; what else a page needs of the engine is a function in pages/parts/engine."
    )


def inner_names(path: Path) -> set[str]:
    return {
        name
        for name in imports(path, for_types=True)
        if name.startswith("kdcore.")
        and name != "kdcore.data"  # of `from kdcore.data import datasets`, whose second name is looked at as well
        and not any(f"{name}.".startswith(f"kdcore.{each}.") for each in FOR_SCREENS)
    }


def test_methods_do_not_know_each_other():
    others = {
        path: {name.split(".")[2] for name in imports(path) if name.startswith("kdcore.methods.")} - {"base", "Method"}
        for path in sorted((KDCORE / "methods").glob("[!_]*.py"))
    }
    assert not listed(others), f"{listed(others)}: what two methods share belongs in methods/base."


def test_the_loop_and_the_disk_do_not_know_each_other():
    for path in (KDCORE / "training").rglob("*.py"):
        assert not packages_used(path) & {"store", "runner"}
    for path in (KDCORE / "store").rglob("*.py"):
        assert not packages_used(path) & {"training", "runner"}


THREADS = {
    "kdcore/files/heartbeat.py": "renews heartbeats, also while a step takes minutes",
    "kdcore/inspection/catalogue.py": "counts the costs of networks while a page is read",
    "kdcore/inspection/robustness/background.py": "computes the next strengths while a page is read",
    "kdcore/runner/training_thread.py": "trains",
    "kdcore/runtime/processes.py": "listens to the other processes of a run",
}


def test_only_these_modules_start_threads():
    starters = {by_name(path) for path in engine_files() if "threading.Thread(" in path.read_text(encoding="utf-8")}
    assert starters <= set(THREADS), (
        f"{sorted(starters - set(THREADS))}: can the training thread do it between two steps?"
    )


def test_plain_packages_load_without_torch():
    code = f"import sys, {', '.join(f'kdcore.{module}' for module in WITHOUT_TORCH)}\nprint('torch' in sys.modules, end='')"
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False", ""), f"One of {', '.join(WITHOUT_TORCH)} imports torch."


def test_modules_of_unix_alone_are_imported_where_they_are_used():
    for path in [*engine_files(), *SCREENS]:
        loaded = ast.parse(path.read_text(encoding="utf-8")).body
        names = {name for node in loaded if isinstance(node, ast.Import) for name in (each.name for each in node.names)}
        assert not names & {"fcntl", "grp", "pwd", "resource", "termios"}, (
            f"{by_name(path)} cannot be imported on Windows."
        )


def test_no_pickle_is_ever_loaded():
    for path in [*engine_files(), *SCREENS]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "weights_only=False" not in text, f"{by_name(path)}: a pickle runs code; take safetensors."
            assert "pickle" not in {name.split(".")[0] for name in imports(path)} or path.parent.name == "data", (
                f"{by_name(path)} imports pickle; only CIFAR's own archives, checked by their checksum, are read so."
            )
