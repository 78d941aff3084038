"""The strip of training images on the page Train."""

from types import SimpleNamespace

import numpy as np
import pytest

from kdcore.errors import UserError
from pages.parts import engine
from pages.parts.train import input_preview


@pytest.fixture(autouse=True)
def nothing_kept():
    input_preview._pictures.clear()


def shown(labels, truths):
    images = np.full((len(labels), 8, 8, 3), 90, dtype=np.uint8)
    return lambda data, count, seed: SimpleNamespace(images=images, labels=labels, truths=truths)


def switch(test):
    (found,) = [toggle for toggle in test.toggle if toggle.label == "Preview training images"]
    return found


def captions(test) -> list[str]:
    return [image.caption for element in test.main if element.type == "image" for image in element.proto.imgs]


def test_nothing_is_read_before_it_is_asked_for(open_page, monkeypatch):
    monkeypatch.setattr(engine, "preview", lambda *asked: pytest.fail("the data was read"))
    assert not open_page("train.py").exception


def test_images_come_with_the_labels_that_the_student_gets(open_page, monkeypatch):
    monkeypatch.setattr(engine, "preview", shown(("star", None, "star"), ("star", "circle", "square")))
    test = open_page("train.py")
    switch(test).set_value(True).run()
    assert captions(test) == ["star", "no label (:gray[circle])", "star (:red[wrong: square])"]


def test_data_that_is_not_there_is_said_in_its_place(open_page, monkeypatch):
    def missing(*asked):
        raise UserError("cifar10 is not in data/")

    monkeypatch.setattr(engine, "preview", missing)
    test = open_page("train.py")
    switch(test).set_value(True).run()
    assert "cifar10 is not in data/" in [info.value for info in test.info]
