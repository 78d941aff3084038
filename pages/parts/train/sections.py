"""The choices of the form: each draws its widgets and writes what was chosen into the plain recipe."""

import re
from typing import Any

import streamlit as st

from pages.parts import engine
from pages.parts.train import presets, schedule_form

Plain = dict[str, Any]
DATA = {
    "cues": ("Cues: drawn shapes", 64),
    "cifar10": ("CIFAR-10", 32),
    "cifar100": ("CIFAR-100", 32),
    "folder": ("A folder of your own", 224),
}  # with the usual image size
FAIR = (
    "Fair to both: student and twin get the same labels at the same steps, the missing and the wrong ones alike. The teacher "
    "was trained on right labels before, which is what it can add here. Held-out and test images keep their right labels."
)
COURSES = {"constant": "Constant", "linear": "Straight line to 0", "cosine": "Cosine to 0"}
WEIGHTING = {"fixed": "As weighted", "gradients": "Equal pull", "uncertainty": "Learned"}
ARITHMETIC = {"exact": "Exact", "fast": "Fast"}
OTHER, NOBODY = "Another network …", "No teacher"
VIEWS = 8  # fixed augmentations of an image, where the teacher's answers are kept
KEEPING = (
    f"On disk, for {VIEWS} fixed augmentations of each image that come in turn, one an epoch; for one where nothing is "
    "augmented. What has been asked once is not asked again: not in a later epoch, nor by another seed, student or sweep with "
    "the same teacher and images. The numbers are rounded to half precision (one part in 2,048), in exact arithmetic too."
)


def choose_data(data: Plain, key: str) -> None:
    name = st.segmented_control(
        "Dataset", list(DATA), default=data["name"], format_func=lambda n: DATA[n][0], required=True, key=f"data-{key}",
        label_visibility="collapsed",
    )  # fmt: skip
    if name != data["name"]:
        data.update(name=name, image_size=DATA[name][1], train_images=None, test_images=None, labels="all", only=None)
    key = f"{name}-{key}"
    if name == "folder":
        data["path"] = st.text_input(
            "Folder on this computer", data["path"] or "", key=f"path-{key}", placeholder="/home/me/birds",
            help="It holds one folder of images for each class, named as the class.",
        ) or None  # fmt: skip
    size, images, labels, wrong = st.columns(4)
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
    share = wrong.number_input(
        "Wrong labels, %", 0, 100, round(100 * data["label_noise"]), step=5, key=f"noise-{key}",
        help="So many of the kept labels name another class, drawn at random.",
    )  # fmt: skip
    data["label_noise"] = data["label_noise"] if share == round(100 * data["label_noise"]) else share / 100
    if data["labels"] != "all" or data["label_noise"]:
        st.caption(FAIR)


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
    if teacher := plain["teacher"]:
        views = teacher.get("cache_views", 0)
        keeps = left.toggle("Keep the :violet[teacher]'s answers", bool(views), key=f"keeps-{key}", help=KEEPING)
        plain["teacher"] = {**teacher, "cache_views": (views or VIEWS) if keeps else 0}
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
    plain["seeds"] = seeds_in(said)
    with st.expander("More settings", icon=":material/tune:"):
        choose_more(plain, key)


def seeds_in(text: str) -> list[int | str]:
    """`0, 1 2` -> [0, 1, 2]; what is no number stays text, which the recipe refuses."""
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    return [int(part) if part.isdecimal() and len(part) < 20 else part for part in parts]


def choose_more(plain: Plain, key: str) -> None:
    """What is seldom changed: how the terms share, the arithmetic, the learning rate's course, what is held out."""
    sharing, arithmetic = st.columns(2)
    plain["weighting"] = sharing.segmented_control(
        "How the terms share", list(WEIGHTING), default=plain["weighting"], format_func=WEIGHTING.get, required=True,
        key=f"weighting-{key}",
        help="As their weights say; scaled so that all pull alike on the student; or learned with it, by uncertainty.",
    )  # fmt: skip
    plain["precision"] = arithmetic.segmented_control(
        "Arithmetic", list(ARITHMETIC), default=plain["precision"], format_func=ARITHMETIC.get, required=True,
        key=f"precision-{key}",
        help="Exact is float32 throughout. Fast multiplies in bfloat16 where this machine is quick at it; the losses, the "
        "weights and the optimizer stay in float32.",
    )  # fmt: skip
    plain["compile"] = arithmetic.toggle(
        "Try torch.compile", plain["compile"], key=f"compile-{key}",
        help="Compiling takes from some seconds to some minutes and may shorten every step after it. The run times its steps "
        "with and without, and keeps what is faster. Its numbers then differ in their last digits.",
    )  # fmt: skip
    rate, shape = plain["lr"], plain["lr"]["shape"]
    course, warm, held = st.columns(3)
    if isinstance(shape, str):
        rate["shape"] = course.selectbox(
            "Learning rate over the run", list(COURSES), list(COURSES).index(shape), format_func=COURSES.get,
            key=f"shape-{key}",
        )  # fmt: skip
    else:
        course.markdown(f":small[Learning rate over the run]  \n{schedule_form.in_words(shape)}")
    rate["warmup_epochs"] = warm.number_input(
        "Warm-up, epochs", 0.0, None, float(rate["warmup_epochs"]), step=0.5, format="%g", key=f"warmup-{key}"
    )
    share = held.number_input(
        "Held out, %", 0, 89, round(100 * plain["data"]["validation"]), key=f"validation-{key}",
        help="Of the training images, to measure on during the run. The test images have no say in it.",
    )  # fmt: skip
    if share != round(100 * plain["data"]["validation"]):
        plain["data"]["validation"] = share / 100
