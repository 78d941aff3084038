"""An own folder on Train: what is found is said as soon as it is typed, and nothing before."""

import io

import numpy as np
import pytest
from PIL import Image


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
    assert "Type the folder of your images." in words(test.markdown)


def test_what_is_found_is_said_with_what_is_left_out(open_page, birds):
    (birds / "cat" / "notes.txt").write_text("x")
    (birds / "cat" / "7.png").write_bytes((birds / "dog" / "7.png").read_bytes())
    test = with_a_folder(open_page, birds)
    assert "3 classes, 120 images found: 87 training, 9 validation and 24 test images." in words(test.markdown).replace(
        "\\", ""
    )
    assert "1 image lies in several classes, so a label is wrong" in words(test.warning)
    assert next(box.label for box in test.expander) == "Images of each class; 1 left out"
    assert "files with the ending" in words(test.caption)


def test_a_folder_that_is_not_there_is_one_error(open_page, tmp_path):
    test = with_a_folder(open_page, tmp_path / "nowhere")
    assert len(test.error) == 1
    assert "There is no folder" in test.error[0].value
