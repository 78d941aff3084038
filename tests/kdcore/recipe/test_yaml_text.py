"""YAML that anybody may hand in: what is too much, or nothing that a recipe has a use for, is refused in a sentence."""

import datetime
import subprocess
import sys
import time

import pytest
import yaml

from kdcore import recipe
from kdcore.paths import ASSETS, PROJECT
from kdcore.recipe import RecipeError, library, study, yaml_text

DEEP = "[" * 100_000 + "]" * 100_000
RECIPE = "student: {model: three_stage_cnn_16}\n"
ALIASES = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


def refused(text: str | bytes, source: str = "mine.yaml") -> str:
    with pytest.raises(RecipeError) as refusal:
        recipe.from_yaml(text, source=source)
    message = str(refusal.value)
    assert message.startswith(source)
    assert len(message) < 4000
    return message


def test_a_deep_text_leaves_the_process_alive():
    code = f"""
from kdcore import recipe
try:
    recipe.from_yaml({DEEP!r} + "\\nstudent: {{model: three_stage_cnn_16}}", source="This text")
except recipe.RecipeError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-"], input=code, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0  # -11 where libyaml composes it
    assert "This text is not valid YAML: line 1, `0.0.0" in answer.stdout
    assert "nested too deeply here: at most 50 levels are allowed." in answer.stdout


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "\n".join(" " * depth + "a:" for depth in range(1000))]
)
def test_every_way_to_nest_is_counted(text):
    assert "nested too deeply here: at most 50 levels are allowed" in refused(text)


def test_what_is_nested_as_deep_as_it_may_be_is_read():
    assert str(yaml_text.read("[" * 50 + "]" * 50, source="it")) == "[" * 50 + "]" * 50
    with pytest.raises(RecipeError, match="nested too deeply"):
        yaml_text.read("[" * 51 + "]" * 51, source="it")


@pytest.mark.parametrize(
    "text, told",
    [
        (ALIASES, "line 1, `a0`: &a0: anchors (&) and aliases (*) are not supported. Write the value out"),
        ("student: *it", "line 1, `student`: *it: anchors (&) and aliases (*) are not supported"),
        ("&a {student: 1}", "line 1: &a: anchors"),
        ("<<: {epochs: 3}", "line 1: <<: other mappings are not merged here; write their keys out"),
        (f"{RECIPE}epochs: 3\nepochs: 30", "line 3, `epochs`: the key is there twice (lines 2 and 3): leave out one of them."),
        (f"{RECIPE}terms:\n- method: kd\n  method: ce", "`terms.0.method`: the key is there twice (lines 3 and 4)"),
        (f"{RECIPE}data: {{name: cues, name: cifar10}}", "line 2, `data.name`: the key is there twice (both in line 2)"),
        (f"{RECIPE}note: 2026-02-30", "line 2, `note`: '2026-02-30' is a date in YAML, which no setting accepts"),
        (f"{RECIPE}note: 2026-02-28", "for text, put it in quotes."),
        (f"{RECIPE}epochs: {'9' * 5000}", "line 2, `epochs`: a number of 5,000 characters: at most 100 are allowed."),
        (f"{RECIPE}epochs: {'1:' * 2000}1", "`epochs`: a number of 4,001 characters"),
        (f"{RECIPE}epochs: 0b_", "line 2, `epochs`: '0b_' is not a number"),
        (f"{RECIPE}optimizer:\n  lr: .inf", "line 3, `optimizer.lr`: '.inf' is not a finite number"),
        (f"{RECIPE}optimizer: {{lr: .nan}}", "line 2, `optimizer.lr`: '.nan' is not a finite number"),
        (f"{RECIPE}optimizer: {{lr: 1.0e+999}}", "'1.0e+999' is not a finite number"),
        (f"{RECIPE}note: !!python/name:os.system x", "the tag 'python/name:os.system' is not supported"),
        (f"{RECIPE}note: !!int many", "line 2, `note`: 'many' is not a number"),
        (f"{RECIPE}note: !!bool many", "the tag 'bool' is not supported"),
        (f"{RECIPE}seeds: !!set {{0}}", "the tag 'set' is not supported"),
        (f"{RECIPE}epochs: 010", "line 2, `epochs`: YAML reads '010' as 8: leave out the zeros before it, or put it in"),
        (f"{RECIPE}seeds: [0, 1:30]", "line 2, `seeds.1`: YAML reads '1:30' as 90: write minutes or hours as one number"),
        (f"{RECIPE}optimizer: {{lr: 1:30.5}}", "`optimizer.lr`: YAML reads '1:30.5' as 90.5"),
        (f"{RECIPE}epochs: !!int 010", "YAML reads '010' as 8"),
        (f"{RECIPE}epochs=10\n", "line 2: a key needs a colon and a space after it, as in `epochs: 10`."),
        (f"{RECIPE}data: {{name: cues\n", "line 2: did not find expected ',' or '}'"),
        (f'{RECIPE}data: {{path: "C:\\photos"}}\n', "line 2: a backslash within double quotes begins an escape: use single"),
        (f"```yaml\n{RECIPE}```", "line 1: text that begins with such a character goes in quotes; lines with ``` go."),
        ("student:\n\u00a0 model: five_conv", "line 2: the key '  model' has the invisible character U+00A0"),
        ("student\u200b: {model: five_conv}", "line 1: the key 'student ' has the invisible character U+200B"),
        ("# nothing yet\n", "mine.yaml is empty: a recipe has keys such as data, teacher, student and terms."),
        ("student:\n\tmodel: five_conv", "line 2: it is indented with a tab: use spaces."),
        ("note: \x01", "line 1: it has the character U+0001, which YAML does not allow."),
        ("? " * 10_000, "line 1: a key cannot be a list or a mapping"),
        ("1: 2", "line 1: YAML does not read the key '1' as text: put it in quotes"),
        ("k" * 900 + ": 1", "is too long: at most 200 characters are allowed"),
        (f"{RECIPE}---\n{RECIPE}", "line 2: a second document begins here"),
        ("epochs: [1,\nnote: ]: x", "mine.yaml is not valid YAML: line 2: mapping values are not allowed in this context."),
        ("note: \x07", "line 1: it has the character"),
        (f"{RECIPE}note: \udce9", "is not UTF-8 text: it has the character U+DCE9"),
        ("%TAG !a! x\n" * 50_000 + "--- a", "has a %TAG directive in line 1; tags are not supported"),
        ("x" * 1_000_001, "is too long: at most 1 MB of text are allowed"),
        ("é" * 600_000, "is too long: at most 1 MB of text are allowed"),
        ("seeds: [" + "0," * 400_000 + "]", "`seeds`: the list has too many entries: at most 10,000 are allowed"),
        ("".join(f"k{n}: 1\n" for n in range(60_000)), "the mapping has too many keys: at most 10,000 are allowed"),
        ("[" + "[1,2,3]," * 60_000 + "]", "the list has too many entries: at most 10,000 are allowed"),
        ("[" + ("[" + "1," * 9_000 + "],") * 6 + "]", "the text has too many values: at most 50,000 are allowed"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_s_is_refused_with_line_and_key(text, told):
    began = time.process_time()
    assert told in refused(text)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "text, told",
    [
        (f"{RECIPE}lr: {{warmup_epochs: 2}}\nepochs: yes", "line 3, `epochs` should be a number, not true"),
        (f"{RECIPE}epochs: true", "line 2, `epochs` should be a number, not true (YAML reads yes, no, on and off as true"),
        (f"{RECIPE}seeds:\n- 0\n- yes", "line 2, `seeds` should be a number, not true"),
        (f"{RECIPE}optimizer: {{lr: on}}", "line 2, `optimizer.lr` should be a number, not true"),
        (f"{RECIPE}data:\n  labels: no", "line 3, `data.labels` should be a number, not false"),
        (f"{RECIPE}twin: {{lr: yes}}", "`twin.lr` should be a number, not true"),
        (f"{RECIPE}twin: 1", "line 2, `twin` should be true or false, not 1."),
        (f"{RECIPE}compile: 0.0", "line 2, `compile` should be true or false, not 0.0."),
        (f"{RECIPE}terms: [{{method: kd, weight: {{linear: [yes, 0]}}}}]", "true and false, which YAML also reads from yes"),
        (f"{RECIPE}data: {{only: [yes, cat]}}", "line 2, `data.only.0` should be a string, not true (YAML reads yes, no, on"),
        (f"{RECIPE}name: 12", "line 2, `name` should be a string, not 12; put text in quotes."),
        (f"{RECIPE}epochs:", "line 2, `epochs` is empty; it should be an integer."),
        (f"{RECIPE}seeds: 0", "line 2, `seeds` should be a list, not 0."),
        (f"{RECIPE}terms:\n- weight: 2", "line 3, `terms.0.method` is missing."),
        (f"{RECIPE}data:\n  name: cues\n  lables: 5", "line 4, `data.lables` is not a known key. Did you mean `labels`?"),
        (f"{RECIPE}batch-size: 5", "line 2, `batch-size` is not a known key. Did you mean `data.batch_size`?"),
        (f"{RECIPE}data: {{epochs: 5}}", "line 2, `data.epochs` is not a known key. Did you mean `epochs`?"),
        (f"{RECIPE}optimizer: {{lr: 1,5e-3}}", "`optimizer.5e-3` is not a known key: numbers have a decimal point, not a comma."),
        ("student: resnet18", "line 1, `student` should be a mapping of settings (model, "),
        (f"{RECIPE}epochs: 1\nlr:\n  warmup_epochs: 2", "line 4, `lr.warmup_epochs` (2) must be less than `epochs` (1)"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_line_and_key(text, told):
    assert told in refused(text)


@pytest.mark.parametrize("name", ['"  "', '"\\e\\a"', '"\\u200b\\u2060"'])
def test_a_name_that_nobody_would_see_counts_as_none(name):
    assert recipe.from_yaml(f"{RECIPE}name: {name}").name == "untitled"


def test_numbers_are_read_as_they_look():
    text = f"{RECIPE}epochs: 1_000\noptimizer: {{lr: 1e-3, weight_decay: 0}}\ntwin: on\nseeds: [0, 0x10]"
    read = recipe.from_yaml(text)
    assert (read.epochs, read.optimizer.lr, read.twin, read.seeds) == (1000, 0.001, True, (0, 16))


@pytest.mark.parametrize(
    "data, told",
    [
        (f"{RECIPE}note: é".encode("latin-1"), "is not UTF-8 text: save it as UTF-8. Line 2 has the byte 0xe9"),
        (RECIPE.encode("utf-16"), "is not UTF-8 text: save it as UTF-8. It looks like UTF-16"),
        (RECIPE.encode("utf-16-le"), "is not UTF-8 text: save it as UTF-8. It looks like UTF-16"),
        (b"x" * 1_000_001, "is too long: at most 1 MB of text are allowed"),
    ],
)
def test_bytes_are_utf_8(tmp_path, data, told):
    assert f"mine.yaml {told}" in refused(data)
    (tmp_path / "mine.yaml").write_bytes(data)
    with pytest.raises(RecipeError, match="mine.yaml") as refusal:
        recipe.load(tmp_path / "mine.yaml")
    assert told in str(refusal.value)
    with pytest.raises(RecipeError, match="mine.yaml") as refusal:
        study.named(str(tmp_path / "mine.yaml"))
    assert told in str(refusal.value)


@pytest.mark.parametrize("text", [f"\ufeff{RECIPE}", f"\ufeff{RECIPE}".encode()])
def test_the_mark_that_some_editors_write_first_is_no_part_of_the_text(text):
    assert recipe.from_yaml(text).student.model == "three_stage_cnn_16"


def test_a_file_is_read_no_further_than_a_text_may_be_long():
    with pytest.raises(RecipeError, match="/dev/zero is too long: at most 1 MB of text are allowed"):
        recipe.load("/dev/zero")


@pytest.mark.parametrize("path", ["a\0b.yaml", "x" * 5000 + ".yaml", "x/" * 3000 + "y.yaml"])
def test_a_path_that_no_file_can_have_is_refused(path):
    with pytest.raises(RecipeError, match="Cannot read the recipe") as refusal:
        recipe.load(path)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("folder", ["recipes", "studies"])
def test_what_comes_with_the_project_reads_as_the_library_reads_it(folder):
    for path in sorted((ASSETS / folder).rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert yaml_text.read(text, source=path.name) == yaml.safe_load(text)


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\x7f", "\x07", "\ufeff", "\xa0", "\n", "😀"])
def test_every_character_of_a_text_is_kept(character):
    for text in (f"a{character}b", f"{character}ab", f"ab{character}", f"a {character}{character} b: c", character):
        assert yaml_text.read(yaml_text.written({"name": text}), source="text") == {"name": text}
        assert yaml_text.read(f"name: {yaml_text.in_a_line(text)}", source="text") == {"name": text}


def test_an_emoji_is_written_as_it_is():
    assert yaml_text.written({"note": "good 😀: 95 %"}) == "note: 'good 😀: 95 %'\n"


@pytest.mark.parametrize("name", ["quick", "adaptive-hints", "two-classes-small"])
def test_the_fast_dumper_writes_what_the_other_one_writes(name):
    plain = library.recipe(name).to_portable() | {"odd": ["x " * 99, "a\n\nb", " 'é: #", "\x07\x85", "1:30", "ä" * 200]}
    assert yaml_text.written(plain) == yaml_text._dumped(plain, yaml_text._Dumper)


def test_what_is_written_can_be_read():
    shared = [1, 2.5, 1e-9, "2026-02-30", "yes", "1e-3", "*a", ".inf", "é\n", None, True, ""]
    plain = {"a": shared, "b": shared, "c": {"d": [shared, {}]}}
    assert yaml_text.read(yaml_text.written(plain), source="it") == plain
    assert yaml_text.read(yaml_text.in_a_line(plain), source="it") == plain
    assert datetime.date.today().isoformat() in yaml_text.written({"note": datetime.date.today().isoformat()})


@pytest.mark.parametrize(
    "value, told",
    [
        ("2026-02-30", "The value of 'note=2026-02-30' is not valid YAML: line 1: '2026-02-30' is a date"),
        ("9" * 5000, "is not valid YAML: line 1: a number of 5,000 characters"),
        (".inf", "The value of 'note=.inf' is not valid YAML: line 1: '.inf' is not a finite number"),
        (DEEP, "nested too deeply here"),
        ("&a [*a]", "anchors (&) and aliases (*) are not supported"),
        ("\udce9", "is not UTF-8 text"),
        ("x" * 30_000, "`note` has 30,000 characters; at most 20,000 are allowed."),
    ],
)
def test_a_value_from_the_command_line_is_read_within_the_same_limits(value, told):
    with pytest.raises(RecipeError) as refusal:
        recipe.with_overrides(recipe.from_yaml(RECIPE), [f"note={value}"])
    assert told in str(refusal.value)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize(
    "override, told",
    [
        ("note=2026-02-30", "--set note=2026-02-30 is not valid YAML: line 1: '2026-02-30' is a date"),
        ("epochs=true", "the recipe with --set epochs=true cannot be used:\n  - `epochs` should be a number, not true"),
        ("terms.4.weight=1", "'terms.4.weight' is not a setting of this recipe: there is no entry '4', the list has 1"),
        ("terms.x.weight=1", "'terms.x.weight' is not a setting of this recipe: there is no entry 'x'"),
    ],
)
def test_messages_name_the_option_of_the_command_line(override, told):
    with pytest.raises(RecipeError) as refusal:
        recipe.with_overrides(recipe.from_yaml(RECIPE), [override], option="--set")
    assert told in str(refusal.value)
