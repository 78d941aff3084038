"""Names, notes, reasons and classes that are full of markup: shown as text in every place where a page shows them."""

import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from kdcore import events as ev
from kdcore.paths import PROJECT
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.recipe.study import Study
from kdcore.store import RunWriter, Studies
from pages.parts.formatting import as_text, message
from tests.pages.conftest import stepped

# Each has a word of its own behind the markup, by which it is found in what a page sends to the browser.
MARKUP = (
    "![zq](http://evil.example/zq.png)", "[zq](javascript:alert(1))", "<img src=x onerror=zq>", "<script>zq</script>",
    "https://evil.example/zq", "www.evil.example/zq", "zq@evil.example", ":red[zq]", ":material/zq:", ":zq:", ":streamlit:zq",
    "$zq$", "$$zq$$", "`zq`", "**zq**", "_zq_", "~~zq~~", "# zq", "- zq", "1. zq", "> zq", "zq\n===", "| zq |\n|---|", "&lt;zq",
    "[zq]: http://evil.example", "<http://evil.example/zq>", "```zq", "\\`zq\\`", "zq -> zq", ":zq", "::zq", ":small[zq]",
)  # fmt: skip
NAME = "![zq](http://evil.example/zq.png) :red[zq] $zq$ <img src=x onerror=zq> `"


@pytest.mark.parametrize("text", MARKUP)
def test_text_has_no_markup(text):
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(f"before {as_text(text)}") + MarkdownIt("gfm-like", {"linkify": False}).render(as_text(text))  # fmt: skip
    assert set(re.findall(r"<(\w+)", rendered)) <= {"p", "br"}
    after = re.sub(r"\\(.)", r"\1", as_text(text)).replace("  \n", "\n")  # what Streamlit's own replacements see
    for replaced in (
        r"https?://[-.\w]",
        r"www\.",
        r"\w@[-\w]+\.",
        r":material[/_]\w+:",
        r":streamlit:",
        r":[\w+-]+:",
        r"(^|\s)->(\s|$)",
    ):
        assert not re.search(replaced, after), (after, replaced)
    assert not re.search(r"(?<!\\):[A-Za-z]", as_text(text))  # directives
    assert not re.search(r"(?<!\\)\$", as_text(text))
    assert after.replace("\u2060", "") == "\n".join(line.strip() for line in text.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "The file has 3.5 GB (a, b); it needs 4 - free some, or use a_b/c.",
        "quick, seed 1: 62.0 % at 12:30",
        "Größe Ä 犬",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text):
    assert as_text(text) == message(text) == text


@pytest.mark.parametrize("text", MARKUP)
def test_a_message_keeps_code_and_nothing_else(text):
    assert message(f"`data.labels` is {text}").startswith("`data.labels` is ")
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(message(f"`data.labels` is {text}: choose `all`."))
    assert set(re.findall(r"<(\w+)", rendered)) <= {"p", "br", "code"}


def test_the_lines_of_a_message_stay_lines():
    assert message("It has 2 problems:\n  - `a` is 1\n  - b") == "It has 2 problems:  \n\\- `a` is 1  \n\\- b"


def strings(proto):
    """Every text of a message to the browser, with the name of its field."""
    for field, value in proto.ListFields():
        for each in value if field.is_repeated else (value,):
            if field.message_type:
                if not (field.message_type.GetOptions().map_entry):
                    yield from strings(each)
            elif isinstance(each, str):
                yield f"{proto.DESCRIPTOR.name}.{field.name}", each


PLAIN = {  # fields that no browser reads as Markdown
    "Code.code_text", "Text.body", "TextArea.default", "TextArea.value", "TextInput.default", "TextInput.value",
    "Selectbox.options", "Selectbox.raw_value", "MultiSelect.options", "MultiSelect.raw_values", "Block.id", "ImageList.alt",
    "Image.alt", "Delta.fragment_id", "VegaLiteChart.spec", "ArrowVegaLiteChart.spec", "BidiComponent.json", "BidiComponent.mixed",
    "PageConfig.title", "Arrow.columns", "DownloadButton.url",
}  # fmt: skip


def markup_in(page):
    """The fields that show a name with its markup alive."""
    found = []
    for element in page:
        for field, text in strings(element.proto):
            if "zq" not in text or field in PLAIN or field.endswith((".id", ".key", "_id")):
                continue
            if re.search(r"(?<!\\)(\[zq|:red\[zq|\$zq|<img)", text):
                found.append((field, text))
    return found


@pytest.fixture
def infested(runner):
    """A run and a study of which every text is markup. Returns their ids."""
    recipe = Recipe(
        name=NAME[:70], note=NAME, student=ModelRecipe(model="tiny"), twin=True, teacher=TeacherRecipe(weights="cues-teacher"),
        terms=(Term(method="ce", name=NAME[:30], weight=0.1), Term(method="kd")), epochs=2, data=DataRecipe(labels=500),
    )  # fmt: skip
    run_id = runner.store.create(recipe)
    classes = (NAME, f"{NAME} 2", f"{NAME} 3")
    maps, says = np.full((3, 4, 4), 1 / 16, np.float16), np.full((3, 3), 1 / 3, np.float16)
    arrays = dict.fromkeys(("teacher", "student", "twin"), maps) | {f"{name}_probabilities": says for name in ("teacher", "student", "twin")}  # fmt: skip
    arrays |= {"images": np.zeros((3, 8, 8, 3), np.uint8), "targets": np.arange(3)}
    with RunWriter(runner.store.folder(run_id)) as writer:
        writer.append(ev.Queued())
        writer.append(ev.Noted(NAME, "warning"))
        writer.append(ev.RunStarted(0, 20, 2, NAME, "fp32", classes, 3600, 500, {"student": 1}, {"top1": 0.9}))
        writer.append(ev.ProbeTaken(0, 0.0, 0.1, arrays=arrays))
        for step in range(1, 10):
            writer.append(stepped(step))
        writer.append(ev.RunFailed(NAME, NAME))
    study = Study(name=NAME[:60], note=NAME, recipe=recipe.model_dump(mode="json"), variants={NAME: {"epochs": 3}, f"b {NAME}": {"epochs": 4}})  # fmt: skip
    study_id = Studies(runner.store).create(study)
    return run_id, study_id


def walk(node):
    for child in getattr(node, "children", {}).values():
        yield child
        yield from walk(child)


@pytest.mark.parametrize("as_visitor", [False, True])
def test_every_page_shows_names_as_text(open_page, infested, as_visitor, request):
    if as_visitor:
        request.getfixturevalue("visiting")
    run_id, study_id = infested
    pages = [
        ("runs.py", {"run": run_id}), ("train.py", {"run": run_id}), ("train.py", {"like": run_id}), ("studies.py", {}),
        ("studies.py", {"study": study_id}), ("studies.py", {"like": run_id}), ("methods.py", {"method": NAME}),
        ("runs.py", {"run": NAME}), ("train.py", {"run": NAME}), ("studies.py", {"study": NAME}),
    ]  # fmt: skip
    seen = 0
    for page, address in pages:
        at = open_page(page, **address)
        assert not at.exception, at.exception[0]
        elements = [node for node in walk(at._tree) if getattr(node, "proto", None) is not None]
        assert markup_in(elements) == [], page
        seen += sum("zq" in text for node in elements for _, text in strings(node.proto))
    assert seen > 30


def test_errors_are_never_shown_unescaped():
    """A message may hold a visitor's values: `st.error(str(error))` would read them as Markdown."""
    raw = re.compile(r"\.(error|warning|info|caption|markdown|success)\((str\(|f\"\{(error|reason)\})")
    for path in sorted((PROJECT / "pages").rglob("*.py")):
        assert not raw.findall(Path(path).read_text(encoding="utf-8")), f"{path.name}: use formatting.message"
