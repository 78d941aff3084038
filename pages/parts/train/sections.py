"""Sections of the form: each draws its widgets and writes the choices into the plain recipe."""

import re
from typing import Any

import streamlit as st
from pydantic import BaseModel

from kdcore.data import datasets
from kdcore.recipe import DataRecipe, FineTune, OptimizerRecipe, Recipe
from kdcore.recipe.limits import limits
from kdcore.recipe.optimizer import LearningRate
from pages.parts import engine
from pages.parts.own import facts, search, weights
from pages.parts.own import images as own_images
from pages.parts.roles import control, role
from pages.parts.train import augmentation_form, edits, folder_summary, perturbed_form, presets, schedule_form

Plain = dict[str, Any]
FAIR = (
    "Student and twin get the same labels at the same steps, with the same ones missing or wrong. Validation and test "
    "images keep their correct labels."
)
COURSES = {"constant": "Constant", "linear": "Linear to 0", "cosine": "Cosine to 0"}
WEIGHTING = {"fixed": "Fixed", "gradients": "Equal gradients", "uncertainty": "Learned"}
PRECISION = {"exact": "Exact", "fast": "Fast"}
OTHER, NOBODY = "Another network …", "No teacher"
VIEWS = 8  # fixed augmentations of an image for which the teacher's outputs are cached
CACHING = (
    f"On disk, for {VIEWS} fixed augmentations of each image, used in turn, one per epoch (a single one without "
    "augmentation). Cached outputs are reused in later epochs and by other seeds, students and sweeps with the same "
    "teacher and images. They are rounded to half precision (one part in 2,048)."
)


def percent_limits(section: type[BaseModel], setting: str) -> tuple[int, int]:
    """The range of a share, in whole percent."""
    least, most = limits(section, setting)
    return round(100 * least), round(100 * most)


def choose_data(data: Plain, key: str) -> None:
    name = st.segmented_control(
        "Dataset", datasets.names(), default=data["name"], format_func=lambda each: datasets.get(each).title, required=True,
        key=f"data-{key}", label_visibility="collapsed",
    )  # fmt: skip
    name = name or data["name"]
    dataset = datasets.get(name)
    if name != data["name"]:
        reset = {*edits.OF_DATASET, *datasets.get(data["name"]).own_keys}
        data.update(DataRecipe(name=name, image_size=dataset.image_size).model_dump(include={"name", *reset}))
    st.caption(dataset.summary)
    key = f"{name}-{key}"
    if "path" in dataset.own_keys:
        _choose_path(data, key)
    size, images, labels, wrong = st.columns(4)
    data["image_size"] = size.number_input(
        "Image size, pixels", *limits(DataRecipe, "image_size"), data["image_size"], key=f"side-{key}"
    )
    data["train_images"] = images.number_input(
        "Training images", *limits(DataRecipe, "train_images"), data["train_images"], placeholder="all", key=f"images-{key}",
        help="Empty: all. The validation images are taken from these.",
    )  # fmt: skip
    with labels:
        _choose_labels(data, key)
    with wrong:
        _choose_wrong_labels(data, key)
    if data["labels"] != "all" or data["label_noise"]:
        st.caption(FAIR)
    if "path" in dataset.own_keys and role.is_operator():
        folder_summary.show(data)


def _choose_path(data: Plain, key: str) -> None:
    if not role.is_operator():
        control.only_the_operator("use folders of this server")
        return
    wanted = datasets.get(data["name"]).wanted
    data["path"] = st.text_input(
        "Folder on this computer", data["path"] or "", key=f"path-{key}", placeholder="/home/me/birds",
        help=f"{wanted.capitalize()}. Where others can reach this server, it lies in "
        "the data folder or in one that KD_ALLOW names.",
    ) or None  # fmt: skip
    if data["name"] == "folder":
        own_images.offer(lambda folder, widget=f"path-{key}": st.session_state.update({widget: folder}))


def _choose_labels(data: Plain, key: str) -> None:
    labelled = st.number_input(
        "Labelled images", *limits(DataRecipe, "labels"), None if data["labels"] == "all" else data["labels"], placeholder="all",
        key=f"labels-{key}",
        help="Empty: all training images are labelled. With fewer labels a teacher can add more.",
    )  # fmt: skip
    data["labels"] = "all" if labelled is None else labelled


def _choose_wrong_labels(data: Plain, key: str) -> None:
    share = st.number_input(
        "Wrong labels, %", *percent_limits(DataRecipe, "label_noise"), round(100 * data["label_noise"]), step=5, key=f"noise-{key}",
        help="Share of the labels that are replaced by another class, at random.",
    )  # fmt: skip
    data["label_noise"] = data["label_noise"] if share == round(100 * data["label_noise"]) else share / 100


def choose_networks(plain: Plain, key: str) -> None:
    left, right = st.columns(2)
    with left:
        _choose_teacher(plain, key)
    with right:
        _choose_student(plain, key)
    if role.is_operator():
        bring_networks(plain["data"], key)


def _choose_teacher(plain: Plain, key: str) -> None:
    known = presets.teachers(plain["teacher"])
    now = presets.title_of(plain["teacher"]) if plain["teacher"] else NOBODY
    options = [NOBODY, *known, OTHER]
    title = st.selectbox("Teacher", options, options.index(now), key=f"teacher-{key}")
    plain["teacher"] = known.get(title)
    if title == OTHER:
        model = st.text_input("Network name", "", key=f"other-{key}", placeholder="vit_tiny_patch16_224",
                                help="Any timm name, or torchvision/NAME.")  # fmt: skip
        known_of = st.container()
        weights = st.selectbox("Weights", ["pretrained", "none"], key=f"weights-{key}",
                                 format_func={"pretrained": "Pretrained", "none": "Random"}.get)  # fmt: skip
        epochs = st.number_input("Fine-tune first, epochs", 0, limits(FineTune, "epochs")[1], 3, key=f"finetune-{key}")
        tuned = {"epochs": epochs} if epochs else None
        plain["teacher"] = {"model": model or None, "weights": weights, "finetune": tuned}
        if role.is_operator():
            with known_of:
                facts.show(model, plain["data"]["image_size"], f"teacher-{key}", pretrained=weights == "pretrained")
    if teacher := plain["teacher"]:
        views = teacher.get("cache_views", 0)
        cached = st.toggle("Cache the teacher's outputs", bool(views), key=f"keeps-{key}", help=CACHING)
        plain["teacher"] = {**teacher, "cache_views": (views or VIEWS) if cached else 0}


def _choose_student(plain: Plain, key: str) -> None:
    imported = presets.imported()
    own = plain["student"]["model"] or plain["student"]["weights"]
    names = list(dict.fromkeys([*engine.student_names(), *imported, own]))
    student = st.selectbox(
        "Student", names, names.index(own), key=f"student-{key}", accept_new_options=True,
        help="Choose one, or type any timm name or torchvision/NAME.",
    )  # fmt: skip
    if student != own:
        plain["student"] = {"weights": student} if student in imported else {"model": student}
    if student not in (*engine.student_names(), *imported, own) and role.is_operator():
        facts.show(student, plain["data"]["image_size"], f"student-{key}", pretrained=False)
    alone = st.toggle(
        "Also train its twin", bool(plain["twin"]), key=f"twin-{key}",
        help="The same network without a teacher, on the same batches: the baseline that shows what the teacher adds.",
    )  # fmt: skip
    plain["twin"] = (plain["twin"] or True) if alone else False


def bring_networks(data: Plain, key: str) -> None:
    """Folded: a search of the libraries, and weights of the user's own."""
    chosen = st.session_state

    def of_library(name: str) -> None:
        chosen.update({f"teacher-{key}": OTHER, f"other-{key}": name})

    def as_teacher(reference: str) -> None:
        chosen[f"teacher-{key}"] = reference

    def as_student(name: str) -> None:
        chosen[f"student-{key}"] = name

    search.offer(key, data["image_size"], lambda _: {"Teacher": of_library, "Student": as_student})
    weights.offer(key, {"Teacher": as_teacher, "Student": as_student}, data)


def choose_length(plain: Plain, key: str) -> None:
    epochs, batch, rate, seeds = st.columns(4)
    plain["epochs"] = epochs.number_input("Epochs", *limits(Recipe, "epochs"), plain["epochs"], key=f"epochs-{key}")
    plain["data"]["batch_size"] = batch.number_input(
        "Batch size", *limits(DataRecipe, "batch_size"), plain["data"]["batch_size"], key=f"batch-{key}"
    )
    plain["optimizer"]["lr"] = rate.number_input(
        "Learning rate",
        *limits(OptimizerRecipe, "lr"),
        plain["optimizer"]["lr"],
        step=1e-4,
        format="%.2g",
        key=f"lr-{key}",
    )
    typed = seeds.text_input("Seeds", ", ".join(map(str, plain["seeds"])), key=f"seeds-{key}",
                            help="Several, as in 0, 1, 2: one run each, one after another.")  # fmt: skip
    plain["seeds"] = seeds_in(typed)
    perturbed_form.choose(plain, key)
    with st.expander("More settings", icon=":material/tune:"):
        choose_more(plain, key)


def seeds_in(text: str) -> list[int | str]:
    """`0, 1 2` -> [0, 1, 2]; what is not a number stays text, which the recipe reports."""
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    return [int(part) if part.isdecimal() and len(part) < 20 else part for part in parts]


def choose_more(plain: Plain, key: str) -> None:
    """Settings that are rarely changed: weighting, precision, learning rate schedule, validation split."""
    weighting, precision = st.columns(2)
    picked = weighting.segmented_control(
        "Weighting of the terms", list(WEIGHTING), default=plain["weighting"], format_func=WEIGHTING.get, required=True,
        key=f"weighting-{key}",
        help="Fixed: the weights above. Equal gradients: scaled so that all terms have the same gradient norm. "
        "Learned: by uncertainty, together with the student.",
    )  # fmt: skip
    plain["weighting"] = picked or plain["weighting"]
    picked = precision.segmented_control(
        "Precision", list(PRECISION), default=plain["precision"], format_func=PRECISION.get, required=True,
        key=f"precision-{key}",
        help="Exact: float32 throughout. Fast: bfloat16 products where that is faster on this device; losses, weights "
        "and optimizer stay in float32.",
    )  # fmt: skip
    plain["precision"] = picked or plain["precision"]
    plain["compile"] = precision.toggle(
        "Try torch.compile", plain["compile"], key=f"compile-{key}",
        help="Compiling takes seconds to minutes and may make every later step faster. The run times both and keeps "
        "the faster. Compiled, the numbers differ in their last digits.",
    )  # fmt: skip
    choose_schedule_and_split(plain, key)
    augmentation_form.choose(plain, key)


def choose_schedule_and_split(plain: Plain, key: str) -> None:
    rate, shape = plain["lr"], plain["lr"]["shape"]
    course, warm, split = st.columns(3)
    if isinstance(shape, str):
        rate["shape"] = course.selectbox(
            "Learning rate schedule", list(COURSES), list(COURSES).index(shape), format_func=COURSES.get,
            key=f"shape-{key}",
        )  # fmt: skip
    else:
        course.markdown(f":small[Learning rate schedule]  \n{schedule_form.in_words(shape)}")
    rate["warmup_epochs"] = warm.number_input(
        "Warm-up, epochs",
        *limits(LearningRate, "warmup_epochs"),
        float(rate["warmup_epochs"]),
        step=0.5,
        format="%g",
        key=f"warmup-{key}",
    )
    if rate["warmup_epochs"] >= plain["epochs"]:
        rate["warmup_epochs"] = plain["epochs"] / 2
        warm.caption(f"Shortened to {rate['warmup_epochs']:g}: it ends within the run.")
    share = split.number_input(
        "Validation split, %", *percent_limits(DataRecipe, "validation"), round(100 * plain["data"]["validation"]), key=f"validation-{key}",
        help="Share of the training images held out to measure the networks during the run. The test images are used "
        "only at the end.",
    )  # fmt: skip
    if share != round(100 * plain["data"]["validation"]):
        plain["data"]["validation"] = share / 100
