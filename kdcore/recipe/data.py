"""A recipe's data: which images a run trains and is tested on, and what is done to them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kdcore.errors import UserError
from kdcore.recipe.base import Fraction, PathText, Section, Seed

MOST_IMAGES = 10**9


class DataRecipe(Section):
    """Which images, and what is done to them."""

    name: Literal["cues", "cifar10", "cifar100", "folder"] = "cues"
    path: PathText | None = Field(None, description="the folder of class folders, for `folder`")
    image_size: int = Field(64, ge=8, le=1024, description="side in pixels; images are resized to it")
    train_images: int | None = Field(
        None, ge=10, le=MOST_IMAGES, description="use only so many training images, classes balanced"
    )
    test_images: int | None = Field(
        None, ge=10, le=MOST_IMAGES, description="use only so many test images, classes balanced"
    )
    validation: float = Field(0.1, ge=0, lt=0.9, description="share of the training images held out")
    labels: Annotated[int, Field(ge=0, le=MOST_IMAGES)] | Literal["all"] = Field(
        "all", description="training images that keep their label, classes balanced"
    )
    label_noise: Fraction = Field(
        0, description="share of the training labels that are wrong, for student and twin; the teacher never saw them"
    )
    only: tuple[Annotated[str, Field(max_length=255)], ...] | None = Field(
        None, max_length=10_000, description="use only these classes, in this order"
    )
    texture_agreement: Fraction = Field(
        0.1, description="`cues` only: share of training images whose texture is their shape's own"
    )
    augment: tuple[Literal["flip", "crop", "jitter", "rotation"], ...] = Field((), max_length=16)
    batch_size: int = Field(64, ge=1, le=8192)
    seed: Seed = Field(0, description="which images are held out, kept and labelled")

    @model_validator(mode="after")
    def _folder_has_path(self) -> "DataRecipe":
        if self.name == "folder" and not self.path:
            raise UserError("data 'folder' needs `path`: a folder that holds one folder of images for each class")
        return self
