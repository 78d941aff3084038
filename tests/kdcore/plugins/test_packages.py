"""Several parts in a package: a folder, and a package that is installed, found by its entry points."""

import hashlib

import pytest

from kdcore import methods, plugins
from kdcore.errors import UserError
from kdcore.recipe import Term
from tests.kdcore.methods.test_every_method import CNN
from tests.kdcore.plugins.conftest import EXAMPLES

HELPED = EXAMPLES["margin.py"].replace("F.mse_loss", "distance").replace(
    "import torch.nn.functional as F\n", "from ._losses import distance\n"
)  # fmt: skip
LOSSES = "import torch.nn.functional as F\n\ndistance = F.mse_loss\n"


@pytest.fixture
def package(write):
    """A package of two parts and their helpers."""
    write("my_parts/__init__.py", "")
    write("my_parts/margin.py", HELPED)
    write("my_parts/_losses.py", LOSSES)
    write("my_parts/tools.py", "BATCH = 4\n")
    return write("my_parts/inverted.py", EXAMPLES["inverted.py"]).parent


@pytest.fixture
def installed(package, write, monkeypatch):
    """The package as a package manager installs it: on sys.path, with the folder that describes it."""

    def install(entry: str) -> None:
        write("my_parts-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: my-parts\nVersion: 1.2\n")
        write("my_parts-1.2.dist-info/entry_points.txt", f"[kdcore.plugins]\n{entry}\n")
        monkeypatch.syspath_prepend(str(package.parent))

    yield install
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "my_parts"]:
        del sys.modules[name]


def test_each_module_with_a_part_is_one_and_helpers_are_none(package):
    found = plugins.use(package)
    assert [(each.kind, each.name) for each in found] == [("test set", "inverted"), ("method", "margin")]
    assert methods.build(Term(method="margin"), CNN, CNN)
    assert {each.where for each in found} == {str(package)}  # what to name for both
    files = sorted(package.rglob("*.py"))
    assert {each.sha256 for each in found} == {hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()}


def test_a_folder_holds_packages_beside_files(package, write):
    write("bands.py", EXAMPLES["bands.py"])
    assert [each.name for each in plugins.use(package.parent)] == ["bands", "inverted", "margin"]


def test_a_fault_in_a_helper_is_named_by_its_file(package, write):
    write("my_parts/_losses.py", "import torch\n\ndistance = torch.nothing\n")
    with pytest.raises(
        UserError, match=r"The plugin .*my_parts/margin.py is not used: _losses.py, line 3: AttributeError"
    ):
        plugins.use(package)


def test_a_package_without_a_part_says_so(write):
    folder = write("nothing/__init__.py", "").parent
    with pytest.raises(UserError, match=r"nothing is not used: none of its files holds a part. docs/plugins.md has"):
        plugins.use(folder)


def test_an_installed_module_is_found_without_any_option(installed):
    assert plugins.every() == ()
    installed("margin = my_parts.margin")
    (plugin,) = plugins.every()
    assert (plugin.kind, plugin.name, plugin.where) == ("method", "margin", "my-parts 1.2 (my_parts.margin)")
    assert "margin" in methods.names()


def test_an_installed_package_gives_all_of_its_parts(installed):
    installed("all = my_parts")
    assert [each.name for each in plugins.every()] == ["inverted", "margin"]


@pytest.mark.parametrize(
    "entry, message",
    [
        ("margin = my_parts.gone", "my-parts 1.2 (my_parts.gone) is not used: ModuleNotFoundError: No module named"),
        (
            "margin = my_parts.margin:Margin",
            "names my_parts.margin:Margin, but a module was expected: leave out the colon",
        ),
        ("margin = gone_package", "my-parts 1.2 (gone_package) is not used: ModuleNotFoundError: No module named"),
        ("margin = ..margin", "my-parts 1.2 (..margin) is not used: ImportError: no package specified for"),
        ("tools = my_parts.tools", "my-parts 1.2 (my_parts.tools) is not used: it holds no part"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_a_sentence(entry, message, installed):
    installed(entry)
    assert plugins.every() == ()
    assert message in str(plugins.problems()[0])


@pytest.mark.parametrize(
    "name, text, reason",
    [
        ("pathless", "del __path__\n", "it holds no part"),
        ("bare", "del __spec__, __path__, __file__\n", "it holds no part"),
        (
            "replaced",
            "import sys\n\nsys.modules[__name__] = 5\n",
            "TypeError: vars() argument must have __dict__ attribute",
        ),
    ],
)
def test_a_package_that_hides_its_folders_is_a_sentence_and_others_are_used(name, text, reason, write, monkeypatch):
    write(f"{name}/__init__.py", text)
    write(f"{name}/margin.py", EXAMPLES["margin.py"])
    write(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    bands = write("bands.py", EXAMPLES["bands.py"])
    write(f"{name}-1.0.dist-info/entry_points.txt", f"[kdcore.plugins]\nall = {name}\nagain = {name}.margin\n")
    monkeypatch.syspath_prepend(str(bands.parent))
    monkeypatch.setenv(plugins.VARIABLE, str(bands))
    assert "bands" in plugins.names("dataset")
    found = [str(each) for each in plugins.problems()]
    assert len(found) == 2
    assert any(each.startswith(f"The plugin {name} 1.0 ({name}) is not used: {reason}") for each in found)


def test_a_module_of_a_package_that_fails_when_it_is_looked_at_leaves_the_others(package, write, monkeypatch):
    odd = "class Odd(type):\n    @property\n    def part_name(cls):\n        raise SystemExit(3)\n\n\n"
    kind = "(Method, metaclass=type('Both', (Odd, type(Method)), {}))"
    write("my_parts/ending.py", odd + EXAMPLES["margin.py"].replace("(Method)", kind))
    monkeypatch.setenv(plugins.VARIABLE, str(package))
    assert [each.name for each in plugins.every()] == ["inverted", "margin"]
    (problem,) = plugins.problems()
    assert str(problem) == (
        f"The plugin {package}/ending.py is not used: ending.py, line 4: SystemExit: 3. Correct the file, or install what it imports."
    )


@pytest.mark.parametrize(
    "listed",
    [b"[kdcore.plugins]\nmargin\n", b"[kdcore.plugins]\nx = \xff\n", b"no section\n", b"[kdcore.plugins]\nx =\n"],
)
def test_an_installed_package_whose_listing_is_damaged_leaves_the_others(listed, installed, package, write):
    installed("margin = my_parts.margin")
    write("odd-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (package.parent / "odd-1.0.dist-info" / "entry_points.txt").write_bytes(listed)
    assert [each.name for each in plugins.every()] == ["margin"]


def test_an_installed_package_without_its_metadata_is_named(installed, package):
    installed("margin = my_parts.margin")
    (package.parent / "my_parts-1.2.dist-info" / "METADATA").unlink()
    assert [each.name for each in plugins.every()] == ["margin"]
