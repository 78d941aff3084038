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
        ("tools = my_parts.tools", "my-parts 1.2 (my_parts.tools) is not used: it holds no part"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_a_sentence(entry, message, installed):
    installed(entry)
    assert plugins.every() == ()
    assert message in str(plugins.problems()[0])
