"""The rooms of the house and which way imports may point: docs/architecture.md has the same table in words."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from kdcore.folders import PROJECT

KDCORE = PROJECT / "kdcore"
SCREENS = [PROJECT / "app.py", *sorted((PROJECT / "pages").rglob("*.py"))]

# A room is a module or a package of kdcore; it may import rooms of its own layer and of those above it in this table.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "recipe",
        "events",
        "schedules",
        "shortening",
        "folders",
        "allocator",
        "findings",
        "headers",
        "conventions",
        "library",
        "study",
        "verdict",
        "failures",
    ),  # 0 plain data, no torch
    ("outputs", "energy", "reads", "metrics", "arithmetic", "distributed"),  # 1 tensors
    ("models", "teacher", "teacher_cache", "data", "methods", "weighting", "optim", "photos"),  # 2 parts
    ("distiller", "evaluation", "explain", "export"),  # 3 assemblies
    ("parts", "telling", "pulls", "compiling", "trainer"),  # 4 the loop
    ("store", "checkpoint"),  # 5 disk
    (
        "runner",
        "snapshots",
        "preflight",
        "finetuning",
        "assemble",
        "estimate",
        "doctor",
        "inspector",
        "answers",
        "gallery",
        "handbook",
        "cli",
        "__main__",
    ),  # 6 drive
)
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
WITHOUT_TORCH = (
    "recipe",
    "events",
    "schedules",
    "store",
    "folders",
    "findings",
    "headers",
    "preflight",
    "study",
    "verdict",
    "failures",
)


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
        if isinstance(node, ast.If) and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING"
    ]


def rooms_used(path: Path) -> set[str]:
    """The rooms of kdcore that a file imports."""
    parts = (name.split(".") for name in imports(path))
    used = {part[1] for part in parts if part[0] == "kdcore" and len(part) > 1}
    return {room for room in used if (KDCORE / room).is_dir() or (KDCORE / f"{room}.py").is_file()}


def room_of(path: Path) -> str:
    return path.relative_to(KDCORE).with_suffix("").parts[0]


def engine_files() -> list[Path]:
    return [path for path in sorted(KDCORE.rglob("*.py")) if path != KDCORE / "__init__.py"]


def by_name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def test_every_room_has_its_layer():
    homeless = {room_of(path) for path in engine_files()} - set(LAYER)
    assert not homeless, (
        f"In no layer: {', '.join(sorted(homeless))}. Say which rooms they may use: add them to LAYERS in "
        "tests/test_architecture.py and to the table of docs/architecture.md."
    )


@pytest.mark.parametrize("path", engine_files(), ids=by_name)
def test_imports_point_down_the_table(path):
    room = room_of(path)
    upward = {used for used in rooms_used(path) if LAYER.get(used, 0) > LAYER.get(room, 99)}
    assert not upward, (
        f"{by_name(path)} (layer {LAYER[room]}) imports {', '.join(f'{u} (layer {LAYER[u]})' for u in sorted(upward))}. "
        "Pass it in from above, or move what both need to the lower one."
    )


@pytest.mark.parametrize("path", engine_files(), ids=by_name)
def test_the_engine_knows_no_screen(path):
    screens = {name for name in imports(path, for_types=True) if name.split(".")[0] in ("streamlit", "pages", "app")}
    assert not screens, f"{by_name(path)} imports {', '.join(sorted(screens))}; the engine works without a screen."


@pytest.mark.parametrize("path", [path for path in SCREENS if path.is_file()], ids=by_name)
def test_screens_leave_tensors_to_the_engine(path):
    tensors = {name for name in imports(path) if name.split(".")[0] in ("torch", "timm", "torchvision")}
    assert not tensors, (
        f"{by_name(path)} imports {', '.join(sorted(tensors))}; pages take numpy and plain data from kdcore.inspector, "
        "kdcore.runner and kdcore.store."
    )


@pytest.mark.parametrize("path", sorted((KDCORE / "methods").glob("[!_]*.py")), ids=by_name)
def test_methods_do_not_know_each_other(path):
    others = {name.split(".")[2] for name in imports(path) if name.startswith("kdcore.methods.")} - {"base", "Method"}
    assert not others, (
        f"{by_name(path)} imports {', '.join(sorted(others))}; what two methods share belongs in methods/base."
    )


def test_the_loop_and_the_disk_do_not_know_each_other():
    assert not rooms_used(KDCORE / "trainer.py") & {"store", "checkpoint", "runner"}
    for path in (KDCORE / "store").glob("*.py"):
        assert not rooms_used(path) & {"trainer", "checkpoint", "runner"}


def test_threads_are_in_the_runner_alone():
    starters = [by_name(path) for path in engine_files() if "threading.Thread(" in path.read_text(encoding="utf-8")]
    assert starters in ([], ["kdcore/runner/worker.py"])


def test_plain_rooms_load_without_torch():
    code = f"import sys, {', '.join(f'kdcore.{room}' for room in WITHOUT_TORCH)}\nprint('torch' in sys.modules, end='')"
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False", ""), f"One of {', '.join(WITHOUT_TORCH)} imports torch."


def test_no_pickle_is_ever_loaded():
    for path in [*engine_files(), *SCREENS]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "weights_only=False" not in text, f"{by_name(path)}: a pickle runs code; take safetensors."
            assert "pickle" not in {name.split(".")[0] for name in imports(path)} or path.parent.name == "data", (
                f"{by_name(path)} imports pickle; only CIFAR's own archives, checked by their checksum, are read so."
            )
