import base64
import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from kdcore.errors import UserError
from kdcore.inspection import (
    METRICS,
    Affinity,
    Atlas,
    Choice,
    Controlled,
    Faithfulness,
    Inspection,
    map_cards,
)  # fmt: skip
from kdcore.store import Store
from pages.parts import engine, formatting, page_table
from pages.parts.attention import comparison, downloads, networks, samples
from pages.parts.attention.agreement import signed, verdict
from pages.parts.components import pictures
from pages.parts.components.attention_compare import attention_compare
from pages.parts.roles import role

SHELL = str(Path(page_table.PAGES) / "parts" / "shell.py")
HARD = "\u00a0"
ANIMALS, SHAPES = ("cat", "dog", "frog"), ("star", "ring", "moon")


class FakeInspector:
    """Networks that predict the first of their classes and look at the top left; a student's second choice comes first."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.pixels: list[np.ndarray] = []
        self.broken: set[str] = set()

    def inspect(self, pixels: np.ndarray, reference: str, **request: Any) -> Inspection:
        self.requests.append((reference, request))
        self.pixels.append(pixels)
        if reference in self.broken:
            raise UserError("its weights are damaged.")
        vit, heatmap = reference.endswith("teacher"), np.full((4, 4), 0.05, np.float32)
        heatmap[0, 0] = 0.25
        map_name = request.get("map_name") or ("cls_attention" if vit else "activation_energy")
        card = map_cards()[map_name]
        instead_of = map_name if request.get("substitute") and not (vit or card.any_network) else ""
        map_name = card.counterpart if instead_of else map_name
        layers, heads = LAYERS_AND_HEADS.get(map_name, (0, 0))
        layers = layers if vit else min(layers, 3)
        classes = SHAPES if "cues" in reference else ANIMALS
        ordered = (classes[1], classes[0], classes[2]) if "student" in reference else classes
        depth = request.get("depth")
        return Inspection(
            reference=reference,
            title=reference,
            photo=np.zeros((16, 16, 3), np.uint8),
            heatmap=heatmap,
            map_name=map_name,
            predictions=[(name, share) for name, share in zip(ordered, (0.7, 0.2, 0.1), strict=True)],
            target=request.get("target", ordered[0]) if map_name == "hires_cam" else "",
            against=request.get("against", ""),
            layer=None if depth is None else round(depth * (layers - 1)),
            head=request.get("head"),
            layers=layers,
            heads=heads if vit else 0,
            maps={},
            classes=classes,
            seconds=0.01,
            instead_of=instead_of,
            lacking="it has no class token" if instead_of else "",
        )

    def affinity(self, pixels: np.ndarray, reference: str, **request: Any) -> Affinity:
        vit = reference.endswith("teacher")
        return Affinity(np.eye(16, dtype=np.float32), (4, 4), vit, None, request.get("head"))

    def atlas(self, pixels: np.ndarray, reference: str, **request: Any) -> Atlas:
        maps = [np.full((3, 4, 4), 1 / 16, np.float32)] * 6
        return Atlas(request["map_name"], maps, [[1.0] * 3] * 6)

    def faithfulness(self, pixels: np.ndarray, reference: str, **request: Any) -> Faithfulness:
        curve = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 0.0]])
        return Faithfulness(np.array([0, 0.5, 1]), curve, curve[:, ::-1])

    def agreement(self, photos: list[np.ndarray], student: str, teacher: str, **request: Any) -> dict[str, Controlled]:
        self.agreed = (len(photos), student, teacher)
        return dict.fromkeys(METRICS, Controlled(0.6, 0.2, 0.1, 0.05, (0.4, 0.3, 0.5), len(photos)))


HIRES_CAM = {"map_name": "hires_cam", "substitute": True}
ROLLOUT = {"map_name": "rollout", "substitute": True}
LAYERS_AND_HEADS = {
    "cls_attention": (6, 3),
    "activation_energy": (6, 0),
    "hires_cam": (6, 0),
    "self_similarity": (6, 0),
}


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
    fake, runner, drawn = FakeInspector(), Runner(), tmp_path / "samples"
    drawn.mkdir()
    for name in ("cues-star.png", "harbour.png"):
        (drawn / name).write_bytes(picture())
    monkeypatch.setattr(engine.process, "process_runner", lambda: runner)
    monkeypatch.setattr(networks, "inspector", lambda: fake)
    monkeypatch.setattr(networks, "choices", lambda: BUNDLED)
    monkeypatch.setattr(samples, "DRAWN", drawn)
    monkeypatch.setattr(samples, "photographs", lambda: ())
    return fake


def picture(colour: str = "teal") -> bytes:
    """Square and of two colours, so that there is nothing to remark on."""
    packed, image = io.BytesIO(), Image.new("RGB", (32, 32), colour)
    image.putpixel((0, 0), (255, 255, 255))
    image.save(packed, "PNG")
    return packed.getvalue()


def opened(**address: str) -> AppTest:
    at = AppTest.from_file(SHELL, default_timeout=120)
    at.switch_page(page_table.ATTENTION)
    for name, value in address.items():
        at.query_params[name] = value
    return ran(at)


def ran(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    return at


def requested(inspector: FakeInspector) -> list[str]:
    """The networks inspected since the last call."""
    references = [reference for reference, _ in inspector.requests]
    inspector.requests.clear()
    return references


def test_the_first_sample_is_shown_without_any_choice(inspector: FakeInspector):
    at = opened()
    assert requested(inspector) == ["cues-teacher", "cues-student", "cues-twin"]
    assert "3 classes: star, ring, moon. Each prediction is one of these" in at.caption[0].value


def test_without_samples_a_photo_is_requested(
    inspector: FakeInspector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(samples, "DRAWN", tmp_path / "nothing")
    assert "Upload a photo" in opened().info[0].value


def test_without_networks_it_says_so(inspector: FakeInspector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(networks, "choices", list)
    assert "There is no network yet" in opened().info[0].value


def test_an_upload_is_shown_and_goes_to_the_networks_for_photos(inspector: FakeInspector):
    at = opened()
    requested(inspector)
    at.file_uploader[0].set_value(("holiday.png", picture("navy"), "image/png"))
    ran(at)
    assert requested(inspector) == ["cifar10-teacher", "cifar10-student", "cifar10-twin"]
    assert not at.warning


def test_one_bad_file_does_not_stop_the_others(inspector: FakeInspector):
    at = opened()
    files = [(f"{i}.png", picture(f"#0000{i:02d}"), "image/png") for i in range(9)]
    at.file_uploader[0].set_value([*files, ("no[t](a)*picture*.png", b"hello", "image/png")])
    ran(at)
    assert len(at.warning) == 1
    assert at.warning[0].value.startswith(r"no\[t\](a)\*picture\*.png cannot be used")  # nothing is taken for markdown
    assert requested(inspector)[-1] == "cifar10-twin"


def test_the_sample_of_the_address_is_shown(inspector: FakeInspector):
    opened(photo="harbour.png")
    assert requested(inspector) == ["cifar10-teacher", "cifar10-student", "cifar10-twin"]


@pytest.mark.parametrize("name", ["../../secret.png", "gone.png", "<script>"])
def test_an_address_whose_photo_is_not_here_says_so_and_draws_nothing(inspector: FakeInspector, name: str):
    at = opened(photo=name, poke="flip")
    assert requested(inspector) == []
    assert "Upload it again to see it with the same settings" in at.warning[0].value
    assert formatting.as_text(repr(name)) in at.warning[0].value


def test_any_network_can_be_chosen(inspector: FakeInspector):
    at = opened()
    at.selectbox(key="networks").select("singly")
    ran(at)
    requested(inspector)
    at.multiselect(key="models").set_value(["cifar10-student", "cues-twin"])
    ran(at)
    assert [reference for reference in requested(inspector) if "student" in reference] == ["cifar10-student"]
    assert [caption.value.split(":")[0] for caption in at.caption][:2] == ["Student", "Twin"]
    at.multiselect(key="models").set_value([])
    assert "at least one" in ran(at).info[0].value


def test_a_pretrained_network_stands_beside_any_other_with_its_own_classes(inspector: FakeInspector, monkeypatch: Any):
    monkeypatch.setattr(engine, "networks_here", lambda: ["thousand"])
    monkeypatch.setattr(engine, "library_choice", lambda name: choice(f"pretrained:{name}"))
    at = opened(networks="Choose one by one")
    assert "thousand, pretrained" in at.multiselect(key="models").options
    at.multiselect(key="models").set_value(["cues-teacher", "pretrained:thousand"])
    ran(at)
    assert "Why do they disagree?" not in at.selectbox(key="class").options  # neither has the other's class
    inspector.requests.clear()
    at.selectbox(key="class").select("star")
    ran(at)
    assert [request for reference, request in inspector.requests if "star" in request.values()] == [
        {**HIRES_CAM, "target": "star"}
    ]
    told = " ".join(caption.value for caption in at.caption).replace("\\", "")
    assert "has no class star: its map explains its own prediction." in told
    assert "3 classes: star, ring, moon." in told
    assert "3 classes: cat, dog, frog." in told


def test_of_many_classes_some_are_listed(monkeypatch: Any):
    many, shown = tuple(f"class {number}" for number in range(1000)), list[str]()
    monkeypatch.setattr(comparison.st, "caption", shown.append)
    comparison.list_classes(SimpleNamespace(inspections={"Student": SimpleNamespace(classes=many)}))  # type: ignore[arg-type]
    assert shown[0].startswith("1,000 classes: class 0, class 1,")
    assert shown[0].endswith("class 11, and others. Each prediction is one of these, whatever the photo shows.")


def test_the_operator_finds_more_networks_where_they_are_chosen_one_by_one(inspector: FakeInspector, monkeypatch: Any):
    monkeypatch.setattr(engine, "networks_here", list)
    folded = {"Find a network", "Your own weights"}
    assert not folded & {box.label for box in opened().expander}
    assert folded <= {box.label for box in opened(networks="Choose one by one").expander}
    monkeypatch.setattr(role, "is_operator", lambda: False)
    assert not folded & {box.label for box in opened(networks="Choose one by one").expander}


@pytest.mark.parametrize(
    "old, key, new",
    [
        ({"class": "The first network's answer"}, "class", "The first network's prediction"),
        ({"networks": "Choose singly"}, "networks", "singly"),
        ({"networks": "Fitting this photo"}, "networks", "fitting"),
        ({"deeper": "Is the map faithful?"}, "deeper", "Faithfulness"),
    ],
)
def test_links_with_labels_of_before_show_the_same(inspector: FakeInspector, old: dict[str, str], key: str, new: str):
    at = opened(**old)
    widgets = {widget.key: widget.value for widget in (*at.selectbox, *at.segmented_control)}
    assert widgets[key] == new


def test_layer_and_head_appear_where_a_network_has_them(inspector: FakeInspector):
    at = opened()
    assert {"layer", "head"} & {box.key for box in at.selectbox} == {"layer"}  # it has no heads
    at.selectbox(key="method").select("own")
    ran(at)
    inspector.requests.clear()
    at.selectbox(key="layer").select(6)
    at.selectbox(key="head").select(2)
    ran(at)
    assert inspector.requests == [
        ("cues-teacher", {"depth": 1.0, "head": 1}),
        ("cues-student", {"depth": 1.0}),  # its last of three layers: as deep as the sixth of six
        ("cues-twin", {"depth": 1.0}),
    ]


def test_the_address_holds_what_is_shown(inspector: FakeInspector):
    opened(photo="harbour.png", networks="Cues", method="Each network's own", layer="2 of 6", head="3")
    assert inspector.requests[-3:] == [
        ("cues-teacher", {"depth": 0.2, "head": 2}),
        ("cues-student", {"depth": 0.2}),
        ("cues-twin", {"depth": 0.2}),
    ]


def test_a_map_of_attention_has_a_counterpart_in_networks_without(inspector: FakeInspector):
    at = opened(method="Attention rollout")
    assert inspector.requests[-3:] == [
        ("cues-teacher", ROLLOUT),
        ("cues-student", ROLLOUT),
        ("cues-twin", ROLLOUT),
    ]
    assert at.caption[0].value == (
        "Attention rollout is not defined for Student and Twin; Activation energy is shown instead. "
        "Reason for each: it has no class token."
    )


def test_many_bad_files_are_counted_and_their_reasons_folded(inspector: FakeInspector):
    at = opened()
    files = [(f"{i}.txt", b"hello", "text/plain") for i in range(4)]
    at.file_uploader[0].set_value([*files, ("good.png", picture(), "image/png")])
    ran(at)
    assert at.warning[0].value == "4 of 5 files cannot be used; the others were added."
    assert at.expander[0].label == "Why, file by file"
    assert at.expander[0].markdown[0].value.count("it is text, not an image") == 4


@pytest.mark.parametrize(
    "picked, options",
    [
        ("The first network's prediction", {"target": "star"}),
        ("Why do they disagree?", {"target": "star", "against": "ring"}),
        ("True class", {"target": "star"}),
        ("moon", {"target": "moon"}),
    ],
)
def test_any_class_can_be_explained(inspector: FakeInspector, picked: str, options: dict[str, str]):
    at = opened()
    inspector.requests.clear()
    at.selectbox(key="class").select(picked)
    ran(at)
    assert inspector.requests == [(f"cues-{role}", {**HIRES_CAM, **options}) for role in ("teacher", "student", "twin")]


def test_networks_that_agree_are_explained_against_the_first_one_s_second_choice(inspector: FakeInspector):
    at = opened()
    at.selectbox(key="networks").select("singly")
    ran(at)
    at.multiselect(key="models").set_value(["cues-teacher", "cues-twin"])
    ran(at)
    inspector.requests.clear()
    at.selectbox(key="class").select("Why do they disagree?")
    ran(at)
    options = {**HIRES_CAM, "target": "star", "against": "ring"}  # both predict star; never star against star
    assert inspector.requests == [("cues-teacher", options), ("cues-twin", options)]


def test_a_class_is_offered_for_maps_that_are_about_one(inspector: FakeInspector):
    assert "class" not in [box.key for box in opened(method="Activation energy").selectbox]


def test_a_perturbation_of_the_address_is_inspected_beside_the_photo_as_it_is(inspector: FakeInspector):
    at = opened(poke="cover9.flip")
    assert [reference for reference, _ in inspector.requests] == [
        f"cues-{r}" for r in ("teacher", "student", "twin")
    ] * 2
    assert [pixels.shape for pixels in inspector.pixels] == [(32, 32, 3)] * 3 + [(384, 384, 3)] * 3
    assert len(at.main.children) > 2


def test_nonsense_in_the_address_does_nothing(inspector: FakeInspector):
    opened(poke="explode", view="inside-out", opacity="much", method="Tea leaves")
    assert inspector.requests[-3:] == [(f"cues-{r}", HIRES_CAM) for r in ("teacher", "student", "twin")]


def test_settings_of_the_pictures_come_from_the_address():
    with_address = AppTest.from_function(_settings)
    for name, value in {"view": "swipe", "opacity": "40", "cells": "yes", "colours": "rainbow"}.items():
        with_address.query_params[name] = value
    found = with_address.run().json[0].value
    for written in ('"swipe"', "40.0", "true", "viridis"):
        assert written in found


def _settings() -> None:
    import streamlit as st

    from pages.parts.components.attention_compare import attention_compare

    st.json(attention_compare.SETTINGS.read())


def test_faithfulness_is_shown_beside_the_order_from_the_middle(inspector: FakeInspector):
    at = opened(deeper="Faithfulness")
    table = at.table[0].value
    assert list(table["Network"]) == ["Teacher", "Student", "Twin"]
    assert table["Deletion (lower is better)"][0] == "50 %, from the middle 75 %"


def test_agreement_over_photos_is_shown_with_its_controls(inspector: FakeInspector):
    at = opened()
    at.file_uploader[0].set_value([(f"{i}.png", picture(f"#00{i}0{i}0"), "image/png") for i in range(3)])
    ran(at)
    at.segmented_control(key="deeper").set_value("Agreement over photos")
    ran(at)
    assert inspector.agreed == (3, "cifar10-twin", "cifar10-teacher")
    table = at.table[0].value
    assert list(table["Same photo"])[:3] == ["0.60", "0.60", "0.60"]
    assert next(iter(table["Other photos"])) == "0.20"
    assert next(iter(table["Same − other (95 %)"])) == "+0.40 (+0.30 to +0.50)".replace(" ", HARD)
    assert any("No conclusion from 3 photos." in text.value for text in at.markdown)


def test_a_conclusion_on_agreement_is_read_from_its_interval_over_enough_photos():
    def told(low: float, count: int) -> str:
        return verdict(Controlled(0.6, 0.2, 0.1, 0.05, (0.003, low, 0.005), count)).replace(HARD, " ")

    assert told(0.001, 5) == (
        "Their maps agree more on the same photo than on different photos. Correlation, same − other photo: +0.003, 95 % interval "
        "+0.001 to +0.005."
    )
    assert told(-0.001, 5).startswith("No evidence beyond centre bias.")
    assert told(0.001, 4).startswith("No conclusion from 4 photos.")


def test_a_difference_of_zero_has_no_sign():
    assert [signed(value) for value in (0.14, -0.02, -0.004)] == ["+0.14", "\u22120.02", "0.00"]


def test_the_scale_leaves_a_lone_peak_beyond_it_so_that_broader_maps_are_seen():
    peak, broad = np.full((8, 8), 0.5), np.full((4, 4), 0.5)
    peak[0, 0], broad[:2, :2] = 32.5, 2.5
    assert pictures.scale_for([peak, broad]) == 3


def test_agreement_needs_two_photos(inspector: FakeInspector):
    assert "at least two photos" in opened(deeper="Agreement over photos").info[0].value
    at = opened(deeper="Agreement over photos")
    at.file_uploader[0].set_value([(name, picture("#001020"), "image/png") for name in ("one.png", "the-same.png")])
    ran(at)
    assert any("at least two photos" in info.value for info in at.info)  # equal ones count once


def test_layers_and_heads_are_offered_for_the_maps_that_have_them(inspector: FakeInspector):
    at = opened(deeper="Layers and heads", method="Class-token attention")
    assert any("entropy" in caption.value for caption in at.caption)
    nothing = opened(deeper="Layers and heads", method="Input gradient")
    assert "one map for the whole network" in nothing.info[0].value


def test_maps_and_figures_can_be_downloaded(inspector: FakeInspector, monkeypatch: pytest.MonkeyPatch):
    made = []
    for kind in ("maps", "figures"):
        make = getattr(downloads, kind)
        monkeypatch.setattr(downloads, kind, lambda lab, make=make: made.append(make(lab)) or made[-1])
    opened(deeper="Download")
    arrays = np.load(io.BytesIO(made[0]))
    assert set(arrays) == {"photo", *(f"{h}_{k}" for h in ("Teacher", "Student", "Twin") for k in ("map", "patches"))}
    rows = list(csv.DictReader(io.StringIO(made[1])))
    assert rows[0]["figure"] == "probability of star"
    assert [row["value"] for row in rows if row["figure"].startswith("Correlation")] == ["1", "1"]


def test_a_network_that_fails_does_not_stop_the_others(inspector: FakeInspector):
    inspector.broken.add("cues-teacher")
    at = opened()
    assert at.warning[0].value == "Title of cues-teacher: its weights are damaged."
    assert "3 classes: star, ring, moon." in at.caption[0].value


def test_the_same_request_is_computed_once(inspector: FakeInspector):
    at = opened()
    requested(inspector)
    ran(at)
    assert requested(inspector) == []


def test_a_comparison_starts_with_a_map_that_every_network_has():
    assert networks.maps()[networks.first_choice()].any_network


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


def test_where_a_map_is_strongest_in_words():
    heatmap = np.zeros((6, 6))
    heatmap[0, 5] = 1
    assert attention_compare.where(heatmap) == "Strongest in the upper right."
    assert attention_compare.where(np.roll(heatmap, (3, -2), (0, 1))) == "Strongest in the centre."
    assert attention_compare.where(np.full((2, 2), np.nan)) == ""


def test_a_perturbation_in_words_and_in_its_one_spelling():
    assert (
        networks.perturbation_in_words("flip.right2.cover3.cover4.blur9")
        == "flipped, shifted, 2 patches covered, 1 patch blurred"
    )
    assert networks.perturbation_in_words("") == ""
    assert networks.canonical("cover4.cover3.cover4") == "cover3.cover4"
    assert networks.canonical("<script>") == ""


def test_a_network_without_a_map_is_shown_with_the_reason():
    nothing = np.full((2, 2), np.nan)
    look = attention_compare.Look(
        "Twin", "cues-twin", "red", "Grad-CAM", nothing, [("a", 1.0)], {"centred": np.nan}, "no"
    )
    plain = attention_compare._plain(look, np.zeros((2, 2)), 2, 2)
    assert plain["problem"] == "no"
    assert plain["agreement"] == [("Correlation", "no map", attention_compare.FIGURES["centred"][2])]


def test_a_perturbed_photo_shows_the_predictions_before():
    look = attention_compare.Look(
        "Twin", "cues-twin", "red", "Grad-CAM", np.eye(2), [("a", 0.6), ("b", 0.4)], {}, before={"a": 0.9},
        near=attention_compare.Near(np.eye(4), (2, 2), "near"),
    )  # fmt: skip
    plain = attention_compare._plain(look, np.eye(2), 2, 4)
    assert plain["predictions"] == [("a", 0.6, 0.9), ("b", 0.4, None)]  # what was not among the five is not known
    assert list(base64.b64decode(plain["near"]["values"])[:5]) == [255, 0, 0, 0, 0]
