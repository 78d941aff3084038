"""Nothing held in memory grows without a limit: a cache has a size, or is listed here with its finite keys.

docs/reliability.md has the same table, with limits, for folders and for what a visit holds.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from kdcore.paths import PROJECT

# where and what -> why it cannot grow
FINITE = {
    "kdcore/data/datasets/base.py: counts": "declared by each dataset",
    "kdcore/checks/predictions.py: _last": "REMEMBERED outputs",
    "kdcore/data/datasets/cues.py: _version": "one value",
    "kdcore/data/folders/checking.py: _known": "cleared at MOST_KNOWN files",
    "kdcore/data/folders/checking.py: _unreadable": "cleared with them",
    "kdcore/data/folders/stored.py: _cache": "CACHED listings",
    "kdcore/data/folders/report.py: _cache": "CACHED reports",
    "kdcore/data/perturbations/making.py: _code_version": "one value for each test set",
    "kdcore/data/perturbations/making.py: _libraries": "one value",
    "kdcore/data/perturbations/stimuli/entry_level.py: _known": "one value",
    "kdcore/files/atomic.py: machine": "one value",
    "kdcore/files/heartbeat.py: _clocks": "folders of runs",
    "kdcore/files/locks.py: _held_here": "locks that this process holds: a run, a cache entry, a folder being decoded",
    "kdcore/photos/decoding.py: _heic_reader": "one value",
    "kdcore/recipe/settings.py: defaults": "one value",
    "kdcore/runtime/processes.py: _kept": "one store for each group of processes",
    "kdcore/store/replay/cache.py: version": "one value",
    "pages/parts/attention/samples.py: photographs": "one value",
    "pages/parts/engine/catalogue.py: _answers": "the hosts that publish weights",
    "pages/parts/engine/catalogue.py: _downloads": "networks of the libraries that the operator downloads",
    "pages/parts/engine/pruning.py: _last": "REMEMBERED prunings",
    "pages/parts/page_table.py: addresses": "one value",
    "pages/parts/roles/passcode.py: value": "one value",
    "pages/parts/roles/role.py: _local": "visits; those that have ended are removed",
    "pages/parts/roles/visitors.py: _shown": "cleared at MOST_HELD states",
    "pages/parts/runs/memo.py: _differences": "cleared at MOST_RUNS runs",
    "pages/parts/runs/memo.py: _names": "MOST_HELD lists",
    "pages/parts/runs/memo.py: _values": "MOST_HELD lists",
    "pages/parts/server/camera.py: _cameras": "MOST_KEYS cameras",
    "pages/parts/server/uploads.py: _refusals": "REMEMBERED visits",
    "pages/parts/stage/ahead.py: _loaded": "views of the storyboard",
    "pages/parts/stage/ahead.py: _wanted": "MOST views",
}
EMPTY = ("dict", "list", "set", "defaultdict", "OrderedDict", "Counter", "deque")


def sources() -> Iterator[tuple[str, ast.Module]]:
    files = [PROJECT / "app.py", *(PROJECT / "kdcore").rglob("*.py"), *(PROJECT / "pages").rglob("*.py")]
    for path in sorted(files):
        yield path.relative_to(PROJECT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def named(node: ast.expr) -> str:
    """`cache` of `functools.cache`, `cache_data` of `st.cache_data(...)`."""
    if isinstance(node, ast.Call):
        return named(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_unlimited(decorator: ast.expr) -> bool:
    """Whether a decorator caches without a limit."""
    keywords = {word.arg: word.value for word in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    match named(decorator):
        case "cache":
            return True
        case "lru_cache":
            given = decorator.args if isinstance(decorator, ast.Call) else []
            size = keywords.get("maxsize", given[0] if given else None)
            return isinstance(size, ast.Constant) and size.value is None
        case "cache_data" | "cache_resource":
            return not {"max_entries", "ttl"} & keywords.keys()
    return False


def is_empty_container(value: ast.expr | None) -> bool:
    """`{}`, `[]`, `set()`, `deque()` and the like. What is written out in full is a table, which nobody adds to."""
    if isinstance(value, ast.Call):
        return named(value) in EMPTY and not any(word.arg == "maxlen" for word in value.keywords)
    return isinstance(value, (ast.Dict, ast.List)) and not (value.keys if isinstance(value, ast.Dict) else value.elts)


def growing(module: ast.Module) -> Iterator[str]:
    """Names of functions with a cache without limit, and of empty containers of a module or class."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_unlimited, node.decorator_list)):
            yield node.name
        if isinstance(node, ast.Module | ast.ClassDef):
            for line in node.body:
                targets = (
                    line.targets
                    if isinstance(line, ast.Assign)
                    else [line.target]
                    if isinstance(line, ast.AnnAssign)
                    else []
                )
                if targets and is_empty_container(line.value):
                    yield from map(named, targets)


def test_every_cache_has_a_limit_or_a_finite_number_of_keys():
    found = {f"{file}: {name}" for file, module in sources() for name in growing(module)}
    new, gone = sorted(found - FINITE.keys()), sorted(FINITE.keys() - found)
    assert not new, f"give them a limit, or list them here with the reason why they cannot grow: {new}"
    assert not gone, f"these are no longer there: {gone}"


def test_what_grows_is_found():
    code = """
import functools, streamlit as st
from functools import cache, lru_cache
@cache
def a(x): ...
@lru_cache(maxsize=None)
def b(x): ...
@lru_cache(maxsize=4)
def fine(x): ...
@st.cache_data(show_spinner=False)
def c(x): ...
@st.cache_resource
def d(x): ...
@st.cache_data(max_entries=3)
def fine(x): ...
e = {}
f: dict[str, int] = {}
g = set()
h = deque()
fine = deque(maxlen=3)
fine = {"a": 1}
class K:
    i = []
"""
    assert sorted(growing(ast.parse(code))) == list("abcdefghi")


def test_the_reasons_are_files_that_exist():
    assert all(Path(PROJECT / name.split(":")[0]).is_file() for name in FINITE)


def test_folders_are_read_within_a_with_statement():
    """An os.scandir that is left to the garbage collector holds its folder open for as long."""
    for where, tree in sources():
        entered = {
            id(item.context_expr) for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and named(node.func) == "scandir":
                assert id(node) in entered, f"{where}:{node.lineno}: os.scandir without `with`"
