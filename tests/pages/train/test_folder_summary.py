"""An own folder on Train: what is found is said as soon as it is typed, and nothing before."""

import io

import numpy as np
import pytest
from PIL import Image

from kdcore.checks import before_run
from kdcore.checks.findings import Finding, Remedy
from kdcore.store import Store
from pages.parts import engine


@pytest.fixture
def birds(tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "elk"):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(40):
            file = io.BytesIO()
            Image.fromarray(random.integers(0, 255, (9, 9, 3), np.uint8)).save(file, "PNG")
            (tmp_path / "birds" / name / f"{i}.png").write_bytes(file.getvalue())
    return tmp_path / "birds"


def with_a_folder(open_page, path=""):
    test = open_page("train.py")
    next(box for box in test.button_group if "data-" in box.key).set_value("folder").run()
    if path:
        (field,) = [field for field in test.text_input if field.label == "Folder on this computer"]
        field.set_value(str(path)).run()
    assert not test.exception
    return test


def words(elements):
    return " ".join(element.value for element in elements)


def test_no_error_before_a_folder_is_typed(open_page):
    test = with_a_folder(open_page)
    assert not test.error
    assert "Type the folder of your images, or upload it as a ZIP file." in words(test.markdown)


def test_what_is_found_is_said_with_what_is_left_out(open_page, birds):
    (birds / "cat" / "notes.txt").write_text("x")
    (birds / "cat" / "7.png").write_bytes((birds / "dog" / "7.png").read_bytes())
    test = with_a_folder(open_page, birds)
    assert "3 classes, 120 images found: 87 training, 9 validation and 24 test images." in words(test.markdown).replace(
        "\\", ""
    )
    assert "1 image lies in several classes, so a label is wrong" in words(test.warning)
    assert "Images of each class; 1 left out" in [box.label for box in test.expander]
    assert "files with the ending" in words(test.caption)


def test_several_questions_are_one_list(open_page, birds):
    for place, name in enumerate(("7.png", "8.png")):
        (birds / "cat" / name).write_bytes((birds / ("dog", "cat")[place] / "7.png").read_bytes())
    (birds / "CAT").mkdir()
    (birds / "CAT" / "x.png").write_bytes((birds / "elk" / "1.png").read_bytes())
    box = with_a_folder(open_page, birds).warning[0]
    assert all(line.startswith("- ") for line in box.value.splitlines())
    assert len(box.value.splitlines()) >= 2


def test_a_folder_that_is_not_there_is_one_error(open_page, tmp_path):
    test = with_a_folder(open_page, tmp_path / "nowhere")
    assert len(test.error) == 1
    assert "There is no folder" in test.error[0].value


def filled(root, *folders, count=6):
    random = np.random.default_rng(len(list(root.parent.iterdir())))
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(random.integers(0, 255, (9, 9, 3), np.uint8)).save(root / folder / f"{i}.png")
    return root


def test_each_kind_of_odd_folder_is_said_on_the_form(open_page, tmp_path):
    hidden = filled(tmp_path / "hidden", "cat", "dog", "cat/.ipynb_checkpoints")
    empty = filled(filled(tmp_path / "empty", "train/cat", "train/dog"), "test/cat", "test/dog", count=0)
    linked = filled(filled(tmp_path / "linked", "cat", "dog"), "../more")
    (linked / "cat" / "more").symlink_to(tmp_path / "more")
    forms = filled(tmp_path / "forms", "train/Gemu\u0308se", "train/Obst", "test/Gem\u00fcse", "test/Obst")
    endings = filled(tmp_path / "endings", "cat", "dog")
    for ending in (".jfif", ".tga", ""):
        (endings / "cat" / f"x{ending}").write_bytes((endings / "cat" / "0.png").read_bytes()[:-1])
    sets = filled(tmp_path / "sets", "trainset/cat", "trainset/dog", "testset/cat", "testset/dog")
    deep = filled(tmp_path / "deep", "one/cat", "one/dog", "two/cat", "two/dog")
    expected = [
        (hidden, "2 classes, 12 images found", "hidden, checkpoint and system folders (1)"),
        (empty, "There is no test image: looked in", "Add images, or remove the folder"),
        (linked, "2 classes, 18 images found", "1 linked folder is followed: cat/more"),
        (
            forms,
            "2 classes, 24 images found",
            "names differ in control characters, Unicode form or encoding only are one class",
        ),
        (endings, "2 classes, 14 images found", "files with the ending .tga (their content looks like PNG"),
        (sets, "2 classes, 24 images found: 10 training", "12 test images"),
        (deep, "No image lies directly in the class folders (one, two)", "choose a folder one level deeper"),
    ]
    test = with_a_folder(open_page, hidden)
    for folder, *told in expected:
        next(field for field in test.text_input if field.label == "Folder on this computer").set_value(
            str(folder)
        ).run()
        assert not test.exception
        shown = words([*test.markdown, *test.warning, *test.error, *test.caption]).replace("\\", "")
        for words_expected in told:
            assert words_expected in shown, folder


def test_a_short_run_is_warned_of_beside_its_length_and_a_button_makes_it_long_enough(open_page, birds, monkeypatch):
    remedy = Remedy("Train for 17 epochs in batches of 16 images", ("data.batch_size=16", "epochs=17"))
    short = Finding("length", "warn", "The run has 16 steps.", (remedy,))
    monkeypatch.setattr(engine, "findings", lambda recipe: (short,) if recipe.epochs < 17 else ())
    test = with_a_folder(open_page, birds)
    assert "The run has 16 steps." in words(test.warning)
    next(button for button in test.button if button.label == remedy.title).click().run()
    assert not test.exception
    chosen = {box.label: box.value for box in test.number_input}
    assert (chosen["Epochs"], chosen["Batch size"]) == (17, 16)
    assert "The run has" not in words(test.warning)


def test_a_short_run_gets_the_warning_of_the_command_line(open_page, birds, monkeypatch, tmp_path):
    found = []

    def findings(recipe):
        found[:] = before_run.findings(recipe, Store(tmp_path / "runs"))
        return tuple(found)

    monkeypatch.setattr(engine, "findings", findings)
    test = with_a_folder(open_page, birds)
    (short,) = [each.finding for each in found if each.check == "length"]
    assert "A network with random weights needs about 100" in short
    assert short in words(test.warning)
