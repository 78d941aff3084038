import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from kdcore.inspector import Choice, Inspection
from kdcore.store import Store
from pages.parts import attention_compare, attention_form, engine, networks, page_table, photo_choice

SHELL = str(Path(page_table.PAGES) / "parts" / "shell.py")
ANIMALS, SHAPES = ("cat", "dog", "frog"), ("star", "ring", "moon")


class FakeInspector:
    """Networks that answer the first of their classes and look at the top left."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, int | None, int | None]] = []
        self.broken: set[str] = set()

    def inspect(
        self, pixels: np.ndarray, reference: str, *, method: str | None, layer: int | None, head: int | None
    ) -> Inspection:
        self.asked.append((reference, method, layer, head))
        if reference in self.broken:
            raise ValueError("its weights are damaged.")
        vit, heatmap = reference.endswith("teacher"), np.full((4, 4), 0.05, np.float32)
        heatmap[0, 0] = 0.25
        method = method or ("cls_attention" if vit else "activation_energy")
        layers, heads = {"cls_attention": (6, 3), "activation_energy": (6 if vit else 3, 0)}.get(method, (0, 0))
        classes = SHAPES if "cues" in reference else ANIMALS
        return Inspection(
            reference=reference,
            title=reference,
            photo=np.zeros((16, 16, 3), np.uint8),
            heatmap=heatmap,
            method=method,
            predictions=[(name, share) for name, share in zip(classes, (0.7, 0.2, 0.1), strict=True)],
            target=classes[0] if method == "grad_cam" else "",
            layer=layer,
            head=head,
            layers=layers,
            heads=heads,
            methods={},
            classes=classes,
            seconds=0.01,
        )


def choice(reference: str) -> Choice:
    classes = SHAPES if "cues" in reference else ANIMALS
    kind = "run" if reference.startswith("run:") else "bundled"
    return Choice(
        reference, f"Title of {reference}", "", kind, classes, "vit" if "teacher" in reference else "cnn", (4, 4)
    )


BUNDLED = [choice(f"{kin}-{role}") for kin in ("cifar10", "cues") for role in ("teacher", "student", "twin")]


@pytest.fixture
def inspector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeInspector:
    """Fake networks, a store without runs, two samples."""

    class Runner:
        store = Store(tmp_path / "runs")

        def active(self) -> tuple[str, ...]:
            return ()

    st.cache_data.clear()
    fake, runner, samples = FakeInspector(), Runner(), tmp_path / "samples"
    samples.mkdir()
    for name in ("cues-star.png", "harbour.png"):
        (samples / name).write_bytes(picture())
    monkeypatch.setattr(engine, "runner", lambda: runner)
    monkeypatch.setattr(networks, "inspector", lambda: fake)
    monkeypatch.setattr(networks, "choices", lambda: BUNDLED)
    monkeypatch.setattr(photo_choice, "SAMPLES", samples)
    return fake


def picture(colour: str = "teal") -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(packed, "PNG")
    return packed.getvalue()


def opened(**address: str) -> AppTest:
    at = AppTest.from_file(SHELL, default_timeout=20)
    at.switch_page(page_table.ATTENTION)
    for name, value in address.items():
        at.query_params[name] = value
    return ran(at)


def ran(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    return at


def asked_for(inspector: FakeInspector) -> list[str]:
    """Whom the page has asked since the last look."""
    references = [reference for reference, *_ in inspector.asked]
    inspector.asked.clear()
    return references


def test_the_first_sample_is_shown_without_any_choice(inspector: FakeInspector):
    at = opened()
    assert asked_for(inspector) == ["cues-teacher", "cues-student", "cues-twin"]
    assert "These networks know 3 classes: star, ring, moon." in at.caption[0].value


def test_without_samples_it_asks_for_a_photo(inspector: FakeInspector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(photo_choice, "SAMPLES", tmp_path / "nothing")
    assert "Upload a photo" in opened().info[0].value


def test_without_networks_it_says_so(inspector: FakeInspector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(networks, "choices", list)
    assert "no network to ask" in opened().info[0].value


def test_an_upload_is_shown_and_goes_to_the_networks_for_photos(inspector: FakeInspector):
    at = opened()
    asked_for(inspector)
    at.file_uploader[0].set_value(("holiday.png", picture("navy"), "image/png"))
    ran(at)
    assert asked_for(inspector) == ["cifar10-teacher", "cifar10-student", "cifar10-twin"]
    assert not at.warning


def test_one_bad_file_does_not_stop_the_others(inspector: FakeInspector):
    at = opened()
    files = [(f"{i}.png", picture(f"#0000{i:02d}"), "image/png") for i in range(9)]
    at.file_uploader[0].set_value([*files, ("no[t](a)*picture*.png", b"hello", "image/png")])
    ran(at)
    assert len(at.warning) == 1
    assert at.warning[0].value.startswith(
        r"no\[t\]\(a\)\*picture\*\.png cannot be used"
    )  # nothing is taken for markdown
    assert asked_for(inspector)[-1] == "cifar10-twin"


def test_the_sample_of_the_address_is_shown(inspector: FakeInspector):
    opened(photo="harbour.png")
    assert asked_for(inspector) == ["cifar10-teacher", "cifar10-student", "cifar10-twin"]


@pytest.mark.parametrize("name", ["../../secret.png", "gone.png", "<script>"])
def test_an_address_that_names_no_sample_shows_the_first(inspector: FakeInspector, name: str):
    opened(photo=name)
    assert asked_for(inspector)[0] == "cues-teacher"


def test_any_network_can_be_chosen(inspector: FakeInspector):
    at = opened()
    at.selectbox(key="networks").select("singly")
    ran(at)
    asked_for(inspector)
    at.multiselect(key="models").set_value(["cifar10-student", "cues-twin"])
    ran(at)
    assert [reference for reference in asked_for(inspector) if "student" in reference] == ["cifar10-student"]
    assert [caption.value.split(":")[0] for caption in at.caption] == ["Student", "Twin"]
    at.multiselect(key="models").set_value([])
    assert "at least one" in ran(at).info[0].value


def test_layer_and_head_appear_where_a_network_has_them(inspector: FakeInspector):
    at = opened()
    assert "layer" not in [box.key for box in at.selectbox]
    at.segmented_control(key="map").set_value("own")
    ran(at)
    inspector.asked.clear()
    at.selectbox(key="layer").select(6)
    at.selectbox(key="head").select(2)
    ran(at)
    assert inspector.asked == [
        ("cues-teacher", None, 5, 1),
        ("cues-student", None, 2, None),  # its last of three layers: as deep as the sixth of six
        ("cues-twin", None, 2, None),
    ]


def test_the_address_says_what_is_shown(inspector: FakeInspector):
    opened(photo="harbour.png", networks="Cues", map="Each network's own", layer="2", head="3")
    assert inspector.asked[-3:] == [
        ("cues-teacher", None, 1, 2),
        ("cues-student", None, 0, None),
        ("cues-twin", None, 0, None),
    ]


def test_a_network_that_cannot_answer_does_not_stop_the_others(inspector: FakeInspector):
    inspector.broken.add("cues-teacher")
    at = opened()
    assert at.warning[0].value == "Title of cues-teacher: its weights are damaged."
    assert "These networks know" in at.caption[0].value


def test_the_same_question_is_asked_once(inspector: FakeInspector):
    at = opened()
    asked_for(inspector)
    ran(at)
    assert asked_for(inspector) == []


def test_methods_that_only_a_vit_has_are_offered_to_vits_alone():
    cards = networks.maps()
    assert {card.architectures for card in cards.values()} == {"any", "vit"}
    assert cards[networks.GRAD_CAM].architectures == "any"


def test_runs_are_grouped_like_the_bundled_networks():
    found = [choice("run:20261121-quick-1/twin"), choice("run:20261121-quick-1/student"), *BUNDLED]
    trios = networks.trios(found)
    assert list(trios) == ["20261121-quick-1", "cifar10", "cues"]
    assert list(trios["20261121-quick-1"].networks) == ["student", "twin"]


def test_networks_with_the_same_role_are_headed_by_their_titles():
    assert list(networks.headed([choice("cues-twin"), choice("cifar10-twin")])) == [
        "Title of cues-twin",
        "Title of cifar10-twin",
    ]


def test_a_layer_is_taken_at_the_same_depth(inspector: FakeInspector):
    answer = inspector.inspect(
        np.zeros((8, 8, 3), np.uint8), "a-teacher", method="cls_attention", layer=None, head=None
    )
    answers = {"Teacher": answer, "Student": replace(answer, layers=3, heads=0), "Twin": replace(answer, layers=0)}
    assert attention_form.places(answers, layer=1, head=0) == {
        "Teacher": (0, None),
        "Student": (0, None),
        "Twin": (None, None),
    }
    assert attention_form.places(answers, layer=4, head=3)["Student"] == (1, None)


def test_a_network_without_a_map_is_shown_with_the_reason():
    nothing = np.full((2, 2), np.nan)
    look = attention_compare.Look(
        "Twin", "cues-twin", "red", "Grad-CAM", nothing, [("a", 1.0)], {"cosine": np.nan}, "no"
    )
    plain = attention_compare._plain(look, np.zeros((2, 2)), 2)
    assert plain["problem"] == "no"
    assert plain["agreement"] == [("Cosine", "no map", attention_compare.FIGURES["cosine"][2])]
