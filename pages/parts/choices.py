"""The choices of the form: each draws its widgets and writes what was chosen into the plain recipe."""

import re
from typing import Any

import streamlit as st

from pages.parts import engine, presets

Plain = dict[str, Any]
DATA = {
    "cues": ("Cues: drawn shapes", 64),
    "cifar10": ("CIFAR-10", 32),
    "cifar100": ("CIFAR-100", 32),
    "folder": ("A folder of your own", 224),
}  # with the usual image size
OTHER, NOBODY = "Another network …", "No teacher"


def choose_data(data: Plain, key: str) -> None:
    name = st.segmented_control(
        "Dataset", list(DATA), default=data["name"], format_func=lambda n: DATA[n][0], required=True, key=f"data-{key}",
        label_visibility="collapsed",
    )  # fmt: skip
    if name != data["name"]:
        data.update(name=name, image_size=DATA[name][1], train_images=None, test_images=None, labels="all")
    key = f"{name}-{key}"
    if name == "folder":
        data["path"] = st.text_input(
            "Folder on this computer", data["path"] or "", key=f"path-{key}", placeholder="/home/me/birds",
            help="It holds one folder of images for each class, named as the class.",
        ) or None  # fmt: skip
    size, images, labels = st.columns(3)
    data["image_size"] = size.number_input("Image side, pixels", 8, 1024, data["image_size"], key=f"side-{key}")
    data["train_images"] = images.number_input(
        "Training images", 10, None, data["train_images"], placeholder="all", key=f"images-{key}",
        help="Empty: all. The held-out images are taken from these.",
    )  # fmt: skip
    kept = labels.number_input(
        "Labels kept", 1, None, None if data["labels"] == "all" else data["labels"], placeholder="all", key=f"labels-{key}",
        help="Empty: every training image keeps its label. Fewer labels leave more for a teacher to add.",
    )  # fmt: skip
    data["labels"] = "all" if kept is None else kept


def choose_networks(plain: Plain, key: str) -> None:
    known = presets.teachers(plain["teacher"])
    left, right = st.columns(2)
    now = presets.title_of(plain["teacher"]) if plain["teacher"] else NOBODY
    options = [NOBODY, *known, OTHER]
    title = left.selectbox(":violet[Teacher]", options, options.index(now), key=f"teacher-{key}")
    plain["teacher"] = known.get(title)
    if title == OTHER:
        model = left.text_input("Its name", "", key=f"other-{key}", placeholder="vit_tiny_patch16_224",
                                help="Any timm name, or torchvision/NAME.")  # fmt: skip
        weights = left.selectbox("Its weights", ["pretrained", "none"], key=f"weights-{key}",
                                 format_func={"pretrained": "Pretrained", "none": "Random"}.get)  # fmt: skip
        epochs = left.number_input("First fine-tuned for, epochs", 0, 1000, 3, key=f"finetune-{key}")
        tuned = {"epochs": epochs} if epochs else None
        plain["teacher"] = {"model": model or None, "weights": weights, "finetune": tuned}
    names = list(dict.fromkeys([*engine.student_names(), plain["student"]["model"] or plain["student"]["weights"]]))
    own = plain["student"]["model"] or plain["student"]["weights"]
    student = right.selectbox(
        ":primary[Student]", names, names.index(own), key=f"student-{key}", accept_new_options=True,
        help="One of these, or type any timm name or torchvision/NAME.",
    )  # fmt: skip
    if student != own:
        plain["student"] = {"model": student}
    alone = right.toggle(
        "Train its :orange[twin] beside it", bool(plain["twin"]), key=f"twin-{key}",
        help="The same student without a teacher, on the same batches: the only way to know what the teacher adds.",
    )  # fmt: skip
    plain["twin"] = (plain["twin"] or True) if alone else False


def choose_terms(terms: list[Plain], key: str) -> list[Plain]:
    """The terms of the loss, each with its weight and, where it has one, its temperature."""
    known = {term["name"] or term["method"]: term for term in terms}
    more = [name for name in engine.methods() if name not in known]
    chosen = st.pills(
        "Terms of the loss", [*known, *more], selection_mode="multi", default=list(known), key=f"terms-{key}",
        label_visibility="collapsed",
    )  # fmt: skip
    return [choose_term(dict(known.get(label) or {"method": label, "name": None}), label, key) for label in chosen]


def choose_term(term: Plain, label: str, key: str) -> Plain:
    card = engine.methods()[term["method"]]
    name, weight, temperature = st.columns([2, 3, 3], vertical_alignment="center")
    name.markdown(f"**{label}**  \n:gray[:small[{card.about.partition(':')[0]}]]", help=card.about)
    term["weight"] = number_or_schedule(weight, "Weight", term.get("weight", 1.0), 1.0, f"weight-{label}-{key}")
    if card.uses_temperature:
        now = term.get("temperature", 4.0)
        term["temperature"] = number_or_schedule(temperature, "Temperature", now, 10.0, f"temperature-{label}-{key}")
    return term


def number_or_schedule(place: Any, label: str, value: Any, usual: float, key: str) -> Any:
    """A slider; a schedule is only named, since the text below is the place to change it."""
    if isinstance(value, dict):
        place.caption(f"{label}: {next(iter(value))} schedule, see the YAML below")
        return value
    most = usual if value <= usual else 2.0 * value
    if label == "Weight":
        return place.slider(label, 0.0, most, float(value), most / 100, format="%g", key=key)
    return place.slider(label, 0.5, most, float(value), 0.5, format="%.1f", key=key)


def choose_length(plain: Plain, key: str) -> None:
    epochs, batch, rate, seeds = st.columns(4)
    plain["epochs"] = epochs.number_input("Epochs", 1, 10_000, plain["epochs"], key=f"epochs-{key}")
    plain["data"]["batch_size"] = batch.number_input(
        "Batch size", 1, 8192, plain["data"]["batch_size"], key=f"batch-{key}"
    )
    plain["optimizer"]["lr"] = rate.number_input(
        "Learning rate", 1e-6, 10.0, plain["optimizer"]["lr"], step=1e-4, format="%.2g", key=f"lr-{key}"
    )
    said = seeds.text_input("Seeds", ", ".join(map(str, plain["seeds"])), key=f"seeds-{key}",
                            help="Several, as in 0, 1, 2: a run each, one after another.")  # fmt: skip
    plain["seeds"] = [int(seed) if seed.isdecimal() else seed for seed in re.split(r"[,\s]+", said.strip()) if seed]
