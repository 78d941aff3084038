"""Files of class names: lines or JSON, and what is refused in words."""

import os

import pytest

from kdcore.errors import UserError
from kdcore.recipe import class_list


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffcat\r\ndog", ("cat", "dog")),
        ('["cat", "dog"]', ("cat", "dog")),
        ('{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ('{"dog": 1, "cat": 0}', ("cat", "dog")),
        ("0 cat\n1 dog\n", ("cat", "dog")),  # as Teachable Machine writes them
        ("0;cat\n1;dog", ("cat", "dog")),
        ("0\tcat\r1\tdog\r", ("cat", "dog")),
        ("0 cat\n2 elk\n1 dog\n", ("cat", "dog", "elk")),  # as the JSON with these numbers
        ("2 cat\n3 dog\n1 elk\n", ("2 cat", "3 dog", "1 elk")),
        ("0 cat\n1 dog\n1 elk\n", ("0 cat", "1 dog", "1 elk")),
        ("00 cat\n01 dog\n", ("00 cat", "01 dog")),
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish", ("n01440764 tench, Tinca tinca", "n01443537 goldfish")),
        ("cat\x0cfish\ndog\u2028fish\nelk\x85fish\nant\x1cfish", ("cat fish", "dog fish", "elk fish", "ant fish")),
        ("1 cat\n2 dog\n", ("1 cat", "2 dog")),  # from 1: the numbers may belong to the names
        ("0 cat\ndog\n", ("0 cat", "dog")),
        ("10 cat\n11 dog\n", ("10 cat", "11 dog")),
        ("0\n1\n", ("0", "1")),
        ("  cat  \n\x1b[31mdog\n", ("cat", "[31mdog")),
        ("Gemu\u0308se\nObst", ("Gemüse", "Obst")),
        ('  [\n"cat"]\n\n', ("cat",)),
    ],
)
def test_a_file_of_class_names(text, names, tmp_path):
    (tmp_path / "classes.txt").write_text(text, encoding="utf-8")
    assert class_list.read(tmp_path / "classes.txt") == names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        ("\u200b".encode(), "it is empty"),
        (b"\n \n", "it is empty"),
        (b"cat\ncat", "names the class 'cat' twice: every line must be another name"),
        ("\u00e9\ne\u0301".encode(), "names the class 'é' twice"),
        (b"cat\n\ndog\n", "has no name in line 2: the label 1 needs one there"),
        (b'["cat", "\\ud800"]', "has no name in line 2"),
        ("cat\ndog".encode("utf-16-le"), "is not text in UTF-8: save it as UTF-8"),
        (b"\xff\xfe", "is not text in UTF-8: save it as UTF-8"),
        (b'{"0": "cat", "1": "dog", "1": "elk"}', "has '1' twice: each number and each name should be there once"),
        ("cat\n\u200b\ndog".encode(), "has no name in line 2"),  # nothing of it would be seen
        (b"[1, 2", "begins like JSON and cannot be read"),
        (b'{"a": 5}', "should be a list of names"),
        (b'{"0": "cat", "2": "dog"}', "should be a list of names, or map numbers from 0 to names"),
        (b'{"%s": "cat"}' % (b"9" * 5000), "should be a list of names"),
        (
            "\n".join([*map(str, range(100_000)), "99998"]).encode(),
            "names the class '99998' twice",
        ),  # at once, not in minutes
        (b"x" * 500, "has a name of 500 characters.*400 are the most"),
    ],
)
def test_a_file_that_is_no_list_of_classes(content, words, tmp_path):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(UserError, match=words):
        class_list.read(tmp_path / "classes.txt")


def test_what_is_no_plain_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    for name, words in (("pipe", "It is no plain file"), ("folder", "It is a folder"), ("none", "There is no file")):
        with pytest.raises(UserError, match=words):
            class_list.read(tmp_path / f"{name}.txt")


def test_numbers_that_tell_classes_apart_stay(tmp_path):
    (tmp_path / "hands.txt").write_text("".join(f"{count} fingers\n" for count in range(6)))
    assert class_list.read(tmp_path / "hands.txt") == tuple(f"{count} fingers" for count in range(6))


def test_names_in_the_order_of_their_numbers_are_reported(tmp_path):
    reported = []
    for name, text in (("sorted", "0 cat\n1 dog\n"), ("mixed", "1 cat\n0 dog\n"), ("plain", "cat\n0 dog\n")):
        (tmp_path / f"{name}.txt").write_text(text)
        class_list.read(tmp_path / f"{name}.txt", report=reported.append)
    assert reported == [
        "The lines of mixed.txt begin with numbers in another order: the classes are ordered by number."
    ]
