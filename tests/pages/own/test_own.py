"""Own weights, own images and networks of the libraries, one click down on Train and Attention."""

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from kdcore.errors import NotAllowed, UserError
from kdcore.inspection.catalogue import Cost, Weights
from kdcore.models.importing import NotGiven
from kdcore.models.importing.isolated import Imported
from kdcore.recipe import imported_weights
from kdcore.recipe.imported_weights import Kept
from pages.parts import engine
from pages.parts.own import facts, weights

TEN = [f"class {i}" for i in range(10)]
SECONDS = 120.0


def with_weights():
    import streamlit as st

    from pages.parts.own import weights

    weights.offer("x", {"Teacher": lambda reference: st.session_state.update(taken=reference)})


def with_search():
    import streamlit as st

    from pages.parts.own import search

    search.offer("x", 64, lambda found: {"Teacher": lambda name: st.session_state.update(taken=name)})


def with_images():
    import streamlit as st

    from pages.parts.own import images

    images.offer(lambda folder: st.session_state.update(taken=folder))


def opened(script, *keys):
    test = AppTest.from_function(script, default_timeout=SECONDS)
    for key in keys:
        test.session_state[key] = True
    test.run()
    assert not test.exception
    return test


def words(elements):
    return " ".join(each.value for each in elements).replace("\\", "")


def press(test, label):
    next(each for each in test.button if each.label == label).click().run()
    assert not test.exception


class Importer:
    """Imports that lack what they are told to lack. `calls`: the given model and classes of each."""

    def __init__(self, *, lacks=(), refuses=""):
        self.lacks, self.refuses, self.calls, self.kept = set(lacks), refuses, [], []

    def __call__(self, files, path, *, model=None, classes=None):
        self.calls.append((sorted(files), path, model, classes))
        if self.refuses:
            raise UserError(self.refuses)
        if "model" in self.lacks and model is None:
            raise NotGiven("w.pth does not name the network that its weights belong to: give it with --model NAME.")
        if "classes" in self.lacks and classes is None:
            raise NotGiven("w.pth does not name the 10 classes of its classifier.", "classes", 10)
        described = {"model": model or "resnet20", "classes": classes or TEN, "image_size": 32}
        self.kept.append(Kept("own/w.safetensors", "w", described, 1_100_000))
        return self.kept[-1], Imported(described["model"], 10, 32, ("The prefix module. was removed",))


@pytest.fixture
def importing(monkeypatch):
    def use(**settings):
        made = Importer(**settings)
        monkeypatch.setattr(engine, "import_weights", made)
        monkeypatch.setattr(engine, "imported_weights", lambda: made.kept)
        monkeypatch.setattr(engine, "search_networks", lambda query, **_: ["resnet20"] if query == "resnet20" else [])
        return made

    return use


def test_nothing_is_drawn_before_the_click(importing):
    importing()
    test = opened(with_weights)
    assert not test.button
    assert not test.text_input


def test_a_file_that_says_all_is_imported_at_once_and_is_a_choice(importing):
    importer = importing()
    test = opened(with_weights, "own-weights-x")
    test.file_uploader[0].set_value(("w.pth", b"content", "application/octet-stream")).run()
    assert not test.selectbox
    press(test, "Import")
    assert importer.calls == [(["w.pth"], "", None, None)]
    assert words(test.success) == "w is imported: resnet20, 10 classes, 32 px. The prefix module. was removed."
    press(test, "Teacher")
    assert test.session_state["taken"] == "own/w.safetensors"


def test_network_and_classes_are_asked_for_only_where_the_file_does_not_say(importing):
    importer = importing(lacks=("model", "classes"))
    test = opened(with_weights, "own-weights-x")
    test.file_uploader[0].set_value(("resnet20-12fca82f.th", b"content", "application/octet-stream")).run()
    assert [each.label for each in test.text_input] == ["Or a file or folder of this server"]
    press(test, "Import")
    (network,) = [each for each in test.text_input if each.label == "Network"]
    assert network.value == "resnet20"  # as the file's name begins
    press(test, "Import")
    assert words(test.info) == "The file does not name its network and its classes: choose below, then import again."
    (classes,) = test.selectbox
    assert classes.label == "Names of its 10 classes"
    assert "Those of CIFAR-10" in classes.options
    assert not any("CIFAR-100" in option for option in classes.options)
    classes.set_value("Those of CIFAR-10").run()
    press(test, "Import")
    assert importer.calls[-1][2] == "resnet20"
    assert importer.calls[-1][3][:2] == ("airplane", "automobile")
    assert "w is imported" in words(test.success)


@pytest.mark.parametrize(
    ("text", "names"), [("sea\u2028lion\n\n dog ", ("sea lion", "dog")), ("1 dog\n0 cat", ("cat", "dog"))]
)
def test_typed_names_of_classes_are_read_as_those_of_a_file(importing, text, names):
    importer = importing(lacks=("classes",))
    test = opened(with_weights, "own-weights-x")
    test.file_uploader[0].set_value(("w.pth", b"content", "application/octet-stream")).run()
    press(test, "Import")
    test.selectbox[0].set_value(weights.TYPED).run()
    test.text_area[0].set_value(text).run()
    press(test, "Import")
    assert importer.calls[-1][3] == names


def test_a_file_of_the_server_is_named_by_its_path(importing):
    importer = importing()
    test = opened(with_weights, "own-weights-x")
    test.text_input[0].set_value("$KD_DATA/w.pth").run()
    press(test, "Import")
    assert importer.calls == [([], "$KD_DATA/w.pth", None, None)]


def test_why_weights_are_refused_is_one_sentence(importing):
    importing(refuses="w.pth is a web page, not weights: download the file itself.")
    test = opened(with_weights, "own-weights-x")
    test.file_uploader[0].set_value(("w.pth", b"<html>", "application/octet-stream")).run()
    press(test, "Import")
    assert words(test.error) == "w.pth is a web page, not weights: download the file itself."
    assert not test.success


@pytest.fixture
def library(monkeypatch):
    """Four networks in the four states of their weights; what takes time is not known at first."""
    known = {
        "here": Weights(
            True, 22_900_000, "https://hub/x", "apache-2.0", 1000, str(Path.home() / "hub" / "x.safetensors"), "a1", 9
        ),
        "away": Weights(True, None, "https://hub/x", "mit", 1000),
        "unreachable": Weights(True, None, "https://nowhere/x", "", 1000),
        "random": Weights(False),
    }
    state = SimpleNamespace(known=True, asked=[])

    def network_facts(name, image_size=None):
        if name not in known:
            raise UserError("There is no model.")
        state.asked.append((name, image_size))
        cost = Cost(image_size or 224, 25_557_032, 8_178_368_512) if state.known else None
        reachable = (name == "away") if state.known else None
        return engine.Facts(name, known[name], cost, reachable if name in ("away", "unreachable") else None)

    monkeypatch.setattr(engine, "search_networks", lambda query, **_: [name for name in known if query in name])
    monkeypatch.setattr(engine, "network_facts", network_facts)
    return state


def test_what_is_known_of_a_network_is_a_line(library):
    size = "25.6 million parameters, 8.18 GFLOPs at 64 px"
    assert [facts.line(engine.network_facts(name, 64)) for name in ("here", "away", "unreachable", "random")] == [
        f"{size} · weights a1 are on this machine, in ~/hub (23 MB, apache-2.0)",
        f"{size} · weights can be downloaded from hub/x (about 102 MB, mit)",
        f"{size} · weights are not on this machine, and nowhere cannot be reached",
        f"{size} · no pretrained weights: random ones only",
    ]
    library.known = False
    assert facts.line(engine.network_facts("away", 64)) == (
        "counting parameters … · weights are not on this machine (size not known yet, mit); trying hub …"
    )


def test_the_search_lists_what_is_known_and_the_button_chooses(library):
    test = opened(with_search, "find-x")
    assert "Type some of a name" in words(test.caption)
    test.text_input[0].set_value("here").run()
    assert "weights a1 are on this machine, in ~/hub (23 MB, apache-2.0)" in words(test.markdown)
    assert "9 weights to choose from: search for here." in words(test.markdown)
    assert library.asked[-1] == ("here", 64)
    press(test, "Teacher")
    assert test.session_state["taken"] == "here"
    test.text_input[0].set_value("nothing").run()
    assert "No network matches." in words(test.caption)


def test_a_folded_search_asks_nothing(library):
    test = opened(with_search)
    assert library.asked == []
    assert not test.text_input


def zipped(classes=("cat", "dog", "elk"), count=10):
    file, random = io.BytesIO(), np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("birds/readme.txt", "x")
        for name in classes:
            for i in range(count):
                image = io.BytesIO()
                Image.fromarray(random.integers(0, 255, (9, 9, 3), np.uint8)).save(image, "PNG")
                made.writestr(f"birds/{name}/{i}.png", image.getvalue())
    return file.getvalue()


def test_a_zip_is_unpacked_and_what_is_left_out_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    test = opened(with_images)
    test.file_uploader[0].set_value(("birds.zip", zipped(), "application/zip")).run()
    assert words(test.caption) == (
        "30 images of birds.zip were unpacked. Left out: files with the ending .txt (1): birds/readme.txt."
    )
    assert test.session_state["taken"] == str(tmp_path / "folders" / "birds")


def test_a_zip_that_is_refused_is_one_sentence_and_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    test = opened(with_images)
    test.file_uploader[0].set_value(("birds.zip", zipped(classes=("cat",)), "application/zip")).run()
    assert words(test.error).startswith("birds.zip has a single class, 'cat'; at least two are needed.")
    assert "taken" not in test.session_state
    assert not list((tmp_path / "folders").iterdir())


def test_imported_weights_are_teacher_or_student_of_the_run(open_page, runner, monkeypatch):
    kept = Kept("own/w.safetensors", "w", {"model": "resnet20", "classes": TEN, "image_size": 32}, 1_100_000)
    monkeypatch.setattr(imported_weights, "listing", lambda: [kept])
    test = open_page("train.py")
    for label in ("Teacher", "Student"):
        (field,) = [each for each in test.selectbox if each.label == label]
        field.set_value("own/w.safetensors").run()
    assert not test.exception
    next(each for each in test.button if each.label == "Start training").click().run()
    (recipe,) = runner.started
    assert (recipe.teacher.weights, recipe.student.weights, recipe.student.model) == (
        "own/w.safetensors", "own/w.safetensors", None,
    )  # fmt: skip


def test_a_visitor_has_none_of_it_and_the_engine_refuses(open_page, visiting, monkeypatch):
    monkeypatch.setattr(imported_weights, "listing", lambda: pytest.fail("it was looked at"))
    test = open_page("train.py")
    labels = [box.label for box in test.expander]
    assert not {"Find a network", "Your own weights", "Upload a folder as a ZIP file"} & set(labels)
    for call in (
        lambda: engine.import_weights({}, "x"), lambda: engine.unpack_images(io.BytesIO(), "x"), lambda: engine.search_networks("x"),
        lambda: engine.network_facts("x"), lambda: engine.download_weights("x"), lambda: engine.remove_weights("x"),
    ):  # fmt: skip
        with pytest.raises(NotAllowed, match="Only the operator can"):
            call()


def test_a_visitor_uses_networks_that_are_here_and_not_too_large(visiting, monkeypatch):
    from kdcore.inspection import catalogue

    sizes = {"small": 20 << 20, "large": 500 << 20, "away": None}
    monkeypatch.setattr(catalogue, "weights", lambda name: Weights(True, sizes[name]))
    monkeypatch.setattr(catalogue, "on_this_machine", lambda: ("large", "small"))
    kept = [Kept(f"own/{name}.safetensors", name, {}, sizes[name] or 0) for name in ("small", "large")]
    monkeypatch.setattr(imported_weights, "listing", lambda: kept)
    assert engine.networks_here() == ["small"]
    engine.networks.known("pretrained:small", "own/small.safetensors")
    for reference in (
        "pretrained:large",
        "pretrained:away",
        "own/large.safetensors",
        "own/../x.safetensors",
        str(Path.home() / "x.safetensors"),
    ):
        with pytest.raises(NotAllowed, match="Only the operator can use weight files of this server"):
            engine.networks.known(reference)
    with pytest.raises(NotAllowed, match="networks that are not on this server, or are larger than 400 MiB"):
        engine.library_choice("large")
