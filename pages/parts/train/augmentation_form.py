"""The form's settings of augmentation, mixtures of images, averaged weights, batches in parts, and the teacher's image size."""

from typing import Any

import streamlit as st

from kdcore.recipe import DataRecipe, OptimizerRecipe, TeacherRecipe
from kdcore.recipe.limits import limits

Plain = dict[str, Any]
SECTIONS = {"resized_crop": "Resized crop", "rand_augment": "RandAugment"}  # settings with settings of their own
NAMES = {"flip": "Flip", "crop": "Shift", "jitter": "Colours", "rotation": "Rotation", **SECTIONS}
SAME = "Student, twin and teacher get the same images."


def choose(plain: Plain, key: str) -> None:
    _images(plain["data"], key)
    _training(plain, key)


def _images(data: Plain, key: str) -> None:
    """How images are changed and mixed."""
    on = [*data["augment"], *(name for name in SECTIONS if data[name] is not None)]
    chosen = st.multiselect(
        "Augmentation", list(NAMES), [name for name in NAMES if name in on], format_func=NAMES.get, key=f"augment-{key}",
        placeholder="none", help=f"Random changes of each training image. {SAME}",
    )  # fmt: skip
    if set(chosen) != set(on):
        data["augment"] = [name for name in chosen if name not in SECTIONS]
        for name in SECTIONS:
            data[name] = (data[name] or {}) if name in chosen else None
    mixup, cutmix, erasing = st.columns(3)
    data["mixup"] = mixup.number_input(
        "Mixup, alpha", *limits(DataRecipe, "mixup"), float(data["mixup"]), step=0.1, format="%g", key=f"mixup-{key}",
        help=f"Two images of a batch are blended, with their labels; 0: not. With `kd` this is function matching. {SAME}",
    )  # fmt: skip
    data["cutmix"] = cutmix.number_input(
        "CutMix, alpha", *limits(DataRecipe, "cutmix"), float(data["cutmix"]), step=0.1, format="%g", key=f"cutmix-{key}",
        help=f"A rectangle of another image of the batch covers part of each, and its label the same share; 0: not. {SAME}",
    )  # fmt: skip
    data["erasing"] = erasing.number_input(
        "Erasing, probability", *limits(DataRecipe, "erasing"), float(data["erasing"]), step=0.05, format="%g",
        key=f"erasing-{key}", help=f"A random rectangle of an image gets a random colour. {SAME}",
    )  # fmt: skip


def _training(plain: Plain, key: str) -> None:
    """Averaged weights, parts of a batch, and the size of the teacher's images."""
    average, parts, size = st.columns(3)
    optimizer = plain["optimizer"]
    optimizer["ema"] = average.number_input(
        "Averaged weights, decay", *limits(OptimizerRecipe, "ema"), float(optimizer["ema"]), step=0.001, format="%g",
        key=f"ema-{key}",
        help="Moving average over the steps (EMA) of the student's and the twin's weights, which is evaluated and saved; 0: none.",
    )  # fmt: skip
    optimizer["accumulate"] = parts.number_input(
        "Batch in parts", *limits(OptimizerRecipe, "accumulate"), optimizer["accumulate"], key=f"accumulate-{key}",
        help="Computed one after another, with less memory; the gradient is that of the whole batch.",
    )  # fmt: skip
    if teacher := plain["teacher"]:
        plain["teacher"] = {**teacher, "image_size": size.number_input(
            "Teacher's image size, pixels", *limits(TeacherRecipe, "image_size"), teacher.get("image_size"),
            placeholder="the student's", key=f"teacher-size-{key}",
            help="Views are drawn at the larger of both sizes and resized for the other network.",
        )}  # fmt: skip
