"""A recipe's data: the dataset, how much of it is used, its labels, and augmentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kdcore.errors import UserError
from kdcore.recipe.base import Fraction, PathText, Section, Seed

MOST_IMAGES = 10**9
# settings of the views in which training images come, and of their mixtures
AUGMENTATION = ("augment", "resized_crop", "rand_augment", "erasing", "mixup", "cutmix", "mix_probability")
Area = Annotated[float, Field(gt=0, le=1)]  # share of an image's area
Aspect = Annotated[float, Field(gt=0, le=100)]  # width / height


class ResizedCrop(Section):
    """A random part of each image, resized to the whole (Szegedy et al., 2015): area and aspect ratio are drawn."""

    scale: tuple[Area, Area] = Field((0.08, 1.0), description="least and greatest share of the image's area")
    ratio: tuple[Aspect, Aspect] = Field((3 / 4, 4 / 3), description="least and greatest width / height")

    @model_validator(mode="after")
    def _least_comes_first(self) -> "ResizedCrop":
        for name, (least, greatest) in (("scale", self.scale), ("ratio", self.ratio)):
            if least > greatest:
                raise UserError(
                    f"`data.resized_crop.{name}` is [{least:g}, {greatest:g}]: the least comes first, "
                    f"[{greatest:g}, {least:g}]"
                )
        return self


class RandAugment(Section):
    """Random operations on each image, all of one magnitude (Cubuk et al., 2020)."""

    operations: int = Field(2, ge=1, le=8, description="operations on each image, one after another")
    magnitude: int = Field(9, ge=0, le=30, description="their magnitude, of 30")


class DataRecipe(Section):
    """The dataset, how much of it is used, its labels, and augmentation."""

    name: str = Field("cues", min_length=1, max_length=80, description="a dataset: a file in kdcore/data/datasets")
    path: PathText | None = Field(
        None, description="the folder that holds a folder of images for each class, for data `folder`"
    )
    image_size: int = Field(64, ge=8, le=1024, description="side in pixels; images are resized to it")
    train_images: int | None = Field(
        None, ge=10, le=MOST_IMAGES, description="number of training images to use, balanced over the classes"
    )
    test_images: int | None = Field(
        None, ge=10, le=MOST_IMAGES, description="number of test images to use, balanced over the classes"
    )
    validation: float = Field(0.1, ge=0, lt=0.9, description="share of the training images used for validation instead")
    labels: Annotated[int, Field(ge=0, le=MOST_IMAGES)] | Literal["all"] = Field(
        "all", description="number of labelled training images, balanced over the classes"
    )
    label_noise: Fraction = Field(
        0, description="share of the training labels that are wrong, for student and twin; the teacher never saw them"
    )
    only: tuple[Annotated[str, Field(max_length=255)], ...] | None = Field(
        None, max_length=10_000, description="the classes to use, in this order"
    )
    texture_agreement: Fraction = Field(
        0.1, description="share of training images that have the texture of their shape, for data `cues`"
    )
    augment: tuple[Literal["flip", "crop", "jitter", "rotation"], ...] = Field((), max_length=16)
    resized_crop: ResizedCrop | None = Field(None, description="a random part of each image, resized to the whole")
    rand_augment: RandAugment | None = Field(None, description="random operations on each image, of one magnitude")
    erasing: Fraction = Field(0, description="probability that a random rectangle of an image gets a random colour")
    mixup: float = Field(
        0, ge=0, le=100, description="alpha of the mixing ratio, Beta(alpha, alpha), of pairs of images; 0: no mixup"
    )
    cutmix: float = Field(
        0,
        ge=0,
        le=100,
        description="alpha of the area, Beta(alpha, alpha), that a pair's other image covers; 0: no cutmix",
    )
    mix_probability: Fraction = Field(
        1, description="share of the batches that are mixed, where mixup or cutmix is set"
    )
    batch_size: int = Field(64, ge=1, le=8192)
    seed: Seed | Literal["run"] = Field(
        0,
        description="of the choice of validation images, limited images and labels, and of drawn images; `run`: the run's "
        "own, so that every seed has other training data and the same test images",
    )
    test_seed: Seed | None = Field(
        None, description="of the choice, or drawing, of test images; empty: `seed`, or 0 where that is `run`"
    )

    @property
    def mixed(self) -> bool:
        """Whether images are mixed, so that a training image may have two labels."""
        return bool((self.mixup or self.cutmix) and self.mix_probability)

    @property
    def augmented(self) -> bool:
        """Whether a training image comes in views of its own each time."""
        return bool(self.augment or self.resized_crop or self.rand_augment or self.erasing)

    def unmixed(self) -> "DataRecipe":
        """The same data, each training image by itself."""
        return self.model_copy(update={"mixup": 0, "cutmix": 0, "mix_probability": 1})

    def unaugmented(self) -> "DataRecipe":
        """The same data without augmentation and mixtures."""
        fields = type(self).model_fields
        return self.model_copy(update={name: fields[name].default for name in AUGMENTATION})

    def of_run(self, seed: int) -> "DataRecipe":
        """The data of a run with this seed: `seed: run` as a number. Test images stay the same for every seed."""
        if self.seed != "run":
            return self
        return self.model_copy(update={"seed": seed, "test_seed": self.test_seed or 0})

    def seed_of(self, pool: str) -> int:
        """The seed of the choice, or drawing, of a pool's images; without a run, `run` is 0."""
        data = self.of_run(0)
        assert data.seed != "run"
        return data.seed if pool in ("train", "validation") or data.test_seed is None else data.test_seed
