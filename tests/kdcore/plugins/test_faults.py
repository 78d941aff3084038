"""What is wrong with a plugin is one sentence with file and line, and everything else goes on."""

import os
import re
import sys
import textwrap

import pytest
import torch

from kdcore import errors, methods, plugins
from kdcore.cli import main
from kdcore.data import datasets, perturbations
from kdcore.data.perturbations import making
from kdcore.errors import UserError
from kdcore.models import zoo
from kdcore.paths import ASSETS
from kdcore.plugins import loading
from kdcore.recipe import Term
from tests.kdcore.methods.test_every_method import BATCH, CNN, outputs
from tests.kdcore.plugins.conftest import EXAMPLES

MARGIN, NETWORK, MAP, DATASET, SET = (
    EXAMPLES[f"{name}.py"] for name in ("margin", "two_stages", "strongest_channel", "bands", "inverted")
)
TWO = MARGIN + "\n\nclass Other(Margin):\n    pass\n"
SHORT_COUNTS = DATASET.replace("self.counts[pool]) % 2", "10) % 2")

FAULTS = {
    "import": ("a.py", "import torch\n\nimport nothing_here\n", "line 3: ModuleNotFoundError: No module named 'nothing_here'"),
    "syntax": ("b.py", "x = 1\ny = (\n", "line 2: SyntaxError: '(' was never closed"),
    "raises": ("c.py", "def f():\n    return 1 / 0\n\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
    "ends": ("d.py", "import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
    "empty": ("e.py", "x = 1\n", "it holds no part; one was expected in each file"),
    "two": ("f.py", TWO, "it holds 2 parts (the method Margin, the method Other); one was expected in each file"),
    "two kinds": ("g.py", MARGIN + NETWORK, "it holds 2 parts (the method Margin, the network NETWORK)"),
    "name": ("My_Loss.py", MARGIN, "'My_Loss' cannot be the name of a method: small letters first"),
    "dashes": ("my-loss.py", MARGIN, "'my-loss' cannot be the name of a method"),
    "our method": ("kd.py", MARGIN, "there is a method 'kd' already"),
    "our network": ("resnet20.py", NETWORK, "there is a network 'resnet20' already"),
    "timm's network": ("resnet18.py", NETWORK, "there is a network 'resnet18' already"),
    "our heatmap": ("grad_cam.py", MAP, "there is a heatmap 'grad_cam' already"),
    "our dataset": ("cues.py", DATASET, "there is a dataset 'cues' already"),
    "our test set": ("low_pass.py", SET, "there is a test set 'low_pass' already"),
    "a corruption": ("fog.py", SET, "there is a test set 'fog' already"),
    "another meaning": ("clean.py", SET, "there is a test set 'clean' already, or the name has a meaning of its own"),
    "no card": ("h.py", MARGIN.replace("    card = Card(", "    other = Card("), "Margin has no `card`"),
    "empty card": ("i.py", MARGIN.replace('"In a paper."', '""'), "`avoid` of the card of Margin is empty"),
    "temperature": (
        "j.py", MARGIN.replace("weight=1.0,", "weight=1.0, temperature=2.0,"), "but its card the temperature 2.0",
    ),
    "needs": (
        "k.py", MARGIN.replace("    def __init__", '    needs = frozenset({"maps"})\n\n    def __init__'), "Margin needs 'maps'; networks have attention, dense",
    ),
    "no range": ("l.py", MARGIN.replace("scale: Factor = 1.0", "scale: int = 1"), "'scale' of Margin is a whole number without a limit"),
    "no default": ("m.py", MARGIN.replace("scale: Factor = 1.0", "scale: Factor"), "'scale' of Margin needs a type and a default"),
    "positional": ("n.py", MARGIN.replace("teacher, *, scale", "teacher, scale"), "options by keyword alone"),
    "option of a network": ("o.py", NETWORK.replace("width: int", "chunks: int"), "two_stages has the option 'chunks', which no recipe can set"),
    "network": ("p.py", NETWORK.replace("Own(two_stages", "Own(None"), "a function that makes the network"),
    "size": ("q.py", NETWORK.replace("image_size=32, mean", "image_size=4, mean"), "NETWORK has image_size 4"),
    "map": ("r.py", MAP.replace("def maps(", "def other("), "no function `maps(model, images, options)`"),
    "family": ("s.py", MAP.replace('family="Features"', 'family="Mine"'), "`family` of the CARD is 'Mine'; 'Class activation maps', 'Attention',"),
    "first": ("t.py", MAP.replace("order=9", "order=9, own=True"), "are for this project's maps"),
    "counts": ("u.py", SHORT_COUNTS, "`counts` of Bands has 1000 images in train, but there are 10 targets"),
    "classes": ("v.py", DATASET.replace('("horizontal", "vertical")', '("one", "one")'), "two or more different names were expected"),
    "strengths": ("w.py", SET.replace("usual = 1.0", "usual = 2.0"), "the usual one 2.0"),
    "probes": ("x.py", SET.replace('"texture"', '"colour"'), "`probes` of Inverted is 'colour'; 'noise', 'structure',"),
    "other exception": ("y.py", "class Odd(BaseException):\n    pass\n\n\nraise Odd('no')\n", "line 5: Odd: no. Correct the file"),
    "no message": ("z.py", "class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\n\n\nraise Odd\n", "line 6: Odd. Correct"),
    "terminal": ("aa.py", "raise ValueError('\\x1b[31mred\\nline')\n", "line 1: ValueError:  [31mred line. Correct the file"),
    "odd syntax error": ("bb.py", "raise SyntaxError('x', (3, 'y', None, None))\n", "line 1: SyntaxError: x"),
    "null bytes": ("cc.py", "x = 1\0\n", "SyntaxError: source code string cannot contain null bytes"),
    "needs as a text": ("ee.py", MARGIN.replace("    def __init__", "    needs = 'features'\n\n    def __init__"), "`needs` of Margin is 'features'; a frozenset was expected."),
    "title of a method": ("ff.py", MARGIN.replace('title="Margin matching"', "title=5"), "`title` of the card of Margin is 5; a string was expected."),
    "title of a map": ("gg.py", MAP.replace('title="Strongest channel"', "title=5"), "`title` of the CARD is 5; a string was expected."),
    "title of a test set": ("hh.py", SET + "    title = 5\n", "`title` of Inverted is 5; a string was expected."),
    "title of a dataset": ("ii.py", DATASET + "\n\nBands.title = b'x'\n", "`title` of Bands is b'x'; a string was expected."),
    "blank title": ("jj.py", MARGIN.replace('title="Margin matching"', "title='\u200b '"), "`title` of the card of Margin is empty"),
    "strengths as text": ("kk.py", SET + "    strengths, usual = ('a',), 'a'\n", "`strengths` of Inverted is ('a',); a number as each entry was expected."),
    "no finite strength": ("ll.py", SET + "    strengths, usual = (1.0, float('nan')), 1.0\n", "they should be finite and differ"),
    "size as text": ("mm.py", NETWORK.replace("image_size=32, mean", "image_size='32', mean"), "`image_size` of NETWORK is '32'; an integer was expected."),
    "deviations": ("nn.py", NETWORK.replace("std=(0.25,", "std=(float('nan'),"), "three numbers above 0 were expected"),
    "classes as a text": ("oo.py", DATASET.replace('("horizontal", "vertical")', '"ab"'), "`classes` of Bands is 'ab'; a tuple of names was expected."),
    "a card that ends": (
        "pp.py", "class Odd(type):\n    @property\n    def part_name(cls):\n        raise SystemExit(3)\n\n\n" + MARGIN.replace("(Method)", "(Method, metaclass=type('Both', (Odd, type(Method)), {}))"),
        "line 4: SystemExit: 3. Correct the file",
    ),
    "message that ends": ("qq.py", "class Odd(Exception):\n    def __str__(self):\n        raise SystemExit(1)\n\n\nraise Odd\n", "line 6: Odd. Correct"),
    "traceback that ends": (
        "rr.py", "class Odd(Exception):\n    @property\n    def __traceback__(self):\n        raise SystemExit(1)\n\n\nraise Odd\n",
        "it raised an exception whose kind and message cannot be read. Correct the file.",
    ),
    "no name": ("ss.py", MARGIN + "\n\ndel __name__\n", "AttributeError: module has no attribute '__name__'. Correct the file"),
    "line 0": ("tt.py", "raise SyntaxError('x', (__file__, 0, None, None))\n", "is not used: SyntaxError: x. Correct the file."),
    "code in a text": ("uu.py", "x = 1\nexec('1 +')\n", "line 2: SyntaxError: invalid syntax"),
    "own refusal": (
        "vv.py", MARGIN.replace("    card =", "    @classmethod\n    def check_part(cls, module):\n        raise GeneratorExit('no')\n\n    card ="),
        "GeneratorExit: no. Correct the file",
    ),
    "depth": ("dd.py", f"x = {'(' * 1000}{')' * 1000}\n", "line 1: SyntaxError: too many nested parentheses"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_sentence_with_the_file(fault, write):
    name, text, message = FAULTS[fault]
    path = write(name, text)
    with pytest.raises(UserError) as refused:
        plugins.use(path)
    assert str(refused.value).startswith(f"The plugin {path} is not used: ")
    assert message in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert os.environ[plugins.VARIABLE] == ""  # as if it had not been given


def test_a_file_that_removes_itself_is_used(write):
    (plugin,) = plugins.use(write("margin.py", "import os\nos.unlink(__file__)\n" + MARGIN))
    assert plugin.name == "margin"


@pytest.mark.parametrize("name", ["__file__", "__spec__", "__loader__", "__builtins__", "__doc__"])
def test_a_file_without_what_python_knows_of_it_is_used(name, write):
    (plugin,) = plugins.use(write("margin.py", f"{MARGIN}\n\ndel {name}\n"))
    assert plugins.file_of("method", "margin") == "margin.py"
    assert plugin.module.__file__ == str(plugin.where)


def test_a_set_without_its_file_makes_images(write):
    """Its code is part of the key of what it makes."""
    plugins.use(write("inverted.py", SET + "\n\ndel __file__\n"))
    assert making._code_version(perturbations.get("inverted").__module__)


def test_proxies_among_the_names_of_a_file_are_no_parts(write):
    """As a web framework's, which raise outside of a request."""
    odd = "\n\nclass _Proxy:\n    @property\n    def __class__(self):\n        raise RuntimeError('no request')\n\n\nrequest = _Proxy()\n"
    (plugin,) = plugins.use(write("margin.py", MARGIN + odd))
    assert plugin.name == "margin"


@pytest.mark.parametrize("what", ["pipe", "link to nothing", "folder", "device"])
def test_what_is_no_plain_file_beside_the_modules_of_a_package_is_left_out(what, write):
    folder = write("pack/__init__.py", "").parent
    write("pack/margin.py", MARGIN)
    (before,) = plugins.use(folder)
    odd = write("other/__init__.py", "").parent
    write("other/margin2.py", MARGIN)
    match what:
        case "pipe":
            os.mkfifo(odd / "pipe.py")
        case "link to nothing":  # the lock of an editor
            (odd / ".#margin2.py").symlink_to("me@host.1:2")
        case "folder":
            (odd / "data.py").mkdir()
        case "device":
            (odd / "zeros.py").symlink_to("/dev/zero")
    (found,) = plugins.use(odd)
    assert found.sha256 == before.sha256  # of the same two files


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(UserError, match="is no plain file: a plugin is a .py file, or a folder of them"):
        plugins.use(tmp_path / "a")


def test_a_folder_that_cannot_be_read_is_named(write, monkeypatch):
    folder = write("margin.py", MARGIN).parent

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(loading.os, "scandir", denied)  # tests may run as root, who may read everything
    with pytest.raises(
        UserError, match=r"is not used: it cannot be read \(Permission denied\). Change its permissions"
    ):
        plugins.use(folder)


def test_a_name_that_is_no_utf_8_or_acts_on_a_terminal_is_refused_in_words(tmp_path):
    for name in (b"mar\xffgin.py", b"mar\ngin.py"):
        path = tmp_path / os.fsdecode(name)
        path.write_text(MARGIN)
        with pytest.raises(UserError, match="mar gin.py is not used: .* cannot be the name of a method") as refused:
            plugins.use(path)
        str(refused.value).encode()


def test_ctrl_c_while_a_file_is_loaded_ends_the_command(write):
    with pytest.raises(KeyboardInterrupt):
        plugins.use(write("slow.py", "raise KeyboardInterrupt\n"))


def test_the_others_of_a_folder_are_used_and_the_fault_is_logged_once(write, monkeypatch, caplog):
    write("margin.py", MARGIN)
    folder = write("broken.py", "import torch\nimport nothing_here\n").parent
    write("_helper.py", "raise RuntimeError('not loaded')\n")
    monkeypatch.setenv(plugins.VARIABLE, str(folder))
    assert "margin" in methods.names()
    assert "margin" in methods.names()
    (record,) = [record for record in caplog.records if "broken.py" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert "line 2: ModuleNotFoundError" in record.getMessage()
    with pytest.raises(
        UserError, match=r"Unknown method 'broken'.* The plugin .*broken.py is not used: line 2: ModuleNotFoundError"
    ):
        methods.get("broken")


def test_two_plugins_of_one_name_are_named_both(tmp_path, monkeypatch):
    paths = [tmp_path / folder / "margin.py" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(MARGIN)
    monkeypatch.setenv(plugins.VARIABLE, str(paths[0]))
    with pytest.raises(
        UserError, match=rf"The plugin {paths[1]} is not used: {paths[0]} has a method 'margin' already"
    ):
        plugins.use(paths[1])
    assert plugins.parts("method")["margin"].where == str(paths[0])


def test_a_file_of_a_folder_that_is_given_too_is_one_part(write, monkeypatch):
    path = write("margin.py", MARGIN)
    monkeypatch.setenv(plugins.VARIABLE, os.pathsep.join([str(path.parent), str(path)]))
    assert plugins.names("method") == ["margin"]
    assert plugins.problems() == ()


@pytest.mark.parametrize(
    "name, message", [("gone.py", "There is no file or folder"), ("notes.txt", "is no Python file")]
)
def test_what_is_no_python_file_is_refused(name, message, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=message):
        plugins.use(tmp_path / name)


@pytest.mark.parametrize("path", ["~nobody-here/x.py", "a" * 5000 + ".py", "a/" * 2500, "x\0y.py"])
def test_a_path_that_no_file_has_is_refused_in_words(path, monkeypatch):
    with pytest.raises(UserError, match="^There is no file or folder .*Give the path of a .py file"):
        plugins.use(path)
    if "\0" not in path:
        monkeypatch.setenv(plugins.VARIABLE, path)
        assert "There is no file or folder" in str(plugins.problems()[0])


@pytest.mark.parametrize("variable", ["KD_DATA", "KD_RUNS"])
def test_a_folder_of_plugins_around_what_the_app_stores_leaves_that_out(variable, tmp_path, monkeypatch):
    stored = tmp_path / "around" / "stored"
    stored.mkdir(parents=True)
    (stored / "__init__.py").write_text("raise SystemExit('loaded')")
    (stored / "margin.py").write_text("raise SystemExit('loaded')")
    (stored.parent / "link.py").symlink_to(stored / "margin.py")
    monkeypatch.setenv(variable, str(stored))
    monkeypatch.setenv(plugins.VARIABLE, str(stored.parent))
    assert plugins.every() == ()
    assert "the folder has no .py file and no package" in str(plugins.problems()[0])


@pytest.mark.parametrize("variable", ["KD_DATA", "KD_RUNS"])
@pytest.mark.parametrize("linked", [False, True])
def test_no_code_is_loaded_from_where_the_app_stores_what_it_is_sent(variable, linked, tmp_path, monkeypatch):
    folder = tmp_path / "stored"
    folder.mkdir()
    monkeypatch.setenv(variable, str(folder))
    path = folder / "margin.py"
    path.write_text("raise SystemExit('loaded')")
    if linked:
        (tmp_path / "link.py").symlink_to(path)
        path = tmp_path / "link.py"
    with pytest.raises(
        UserError, match=f"is in the folder of {variable}, where the app stores what it is sent, so no code"
    ):
        plugins.use(path)
    monkeypatch.setenv(plugins.VARIABLE, str(path))  # not only where it is added
    assert plugins.every() == ()
    assert f"in the folder of {variable}" in str(plugins.problems()[0])


@pytest.mark.parametrize(
    "text",
    [
        "name: x\nstudent: {model: resnet20}\nterms: [{method: PATH}]\n",
        "name: x\nstudent: {model: PATH}\n",
        "name: x\nstudent: {model: resnet20}\ndata: {name: PATH}\n",
        "name: x\nstudent: {model: resnet20, weights: PATH}\n",
        "name: x\nstudent: {model: resnet20}\nrobustness: {sets: [PATH]}\n",
        "name: x\nstudent: {model: resnet20}\nplugins: [PATH]\n",
    ],
)
def test_a_recipe_cannot_load_a_file(text, write):
    from kdcore import recipe as recipes
    from kdcore.checks import before_run

    path = write("sent.py", "import os\nos.environ['KD_LOADED'] = '1'\n" + MARGIN)
    with pytest.raises(UserError):
        before_run.check(recipes.from_yaml(text.replace("PATH", str(path))))
    assert "KD_LOADED" not in os.environ
    assert not [name for name in sys.modules if name.endswith(".sent")]


def test_a_failure_at_work_is_named_by_file_and_line(write):
    failing = MARGIN.replace("        top, teacher_top", "        student.missing.sum()\n        top, teacher_top")
    line = 1 + failing.splitlines().index("        student.missing.sum()")
    plugins.use(write("failing.py", failing))
    method = methods.build(Term(method="failing"), CNN, CNN)
    with pytest.raises(AttributeError) as raised:
        method(outputs(CNN, 6, leaf=False), outputs(CNN, 6, leaf=False), BATCH, 1.0)
    shown = errors.shown(raised.value)
    assert shown.startswith(
        f"The plugin failing.py failed in line {line}: AttributeError: 'Outputs' object has no attribute"
    )
    assert "The log has the details under" in shown


def test_a_command_whose_plugin_ends_the_program_says_so(write, capsys):
    heatmap = next(text for text in EXAMPLES.values() if "MapCard" in text)
    path = write("ending.py", heatmap.replace("    outputs = ", "    raise SystemExit('no')\n    outputs = "))
    photo = str(ASSETS / "samples" / "cues-arrow.png")
    assert main(["explain", photo, "--model", "cues-student", "--map", "ending", "--plugin", str(path)]) == 1
    assert re.search(
        r"error: The plugin ending\.py failed in line \d+: SystemExit: no\. The log", capsys.readouterr().err
    )


def test_a_bug_of_this_project_is_not_blamed_on_a_plugin():
    with pytest.raises(RuntimeError) as raised:
        torch.zeros(2) @ torch.zeros(3)
    assert errors.shown(raised.value).startswith("Something went wrong here. The log has")


def test_a_network_that_cannot_be_built_says_why(write):
    plugins.use(write("odd_net.py", NETWORK.replace("    parts =", "    width = width // 0\n    parts =")))
    with pytest.raises(UserError, match="odd_net cannot be built for images of 32 px: .*by zero"):
        zoo.create("odd_net", 10, 32)


def test_a_plugin_that_asks_for_parts_while_it_is_loaded_gets_this_projects_own(write):
    text = "from kdcore import methods\n\nKNOWN = methods.names()\n" + MARGIN
    (plugin,) = plugins.use(write("asking.py", text))
    assert "kd" in plugin.module.KNOWN
    assert "asking" not in plugin.module.KNOWN


def test_a_file_is_read_once(write):
    path = write("margin.py", MARGIN)
    (plugin,) = plugins.use(path)
    path.write_text(textwrap.dedent("raise RuntimeError('read again')"))
    assert plugins.parts("method")["margin"] is plugin


def test_without_plugins_nothing_is_added():
    assert plugins.every() == ()
    assert plugins.hint("margin") == ""
    assert datasets.names() == ("cues", *[name for name in datasets.names() if name != "cues"])
