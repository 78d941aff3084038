"""A recipe's data: the dataset, how much of it is used, its labels, and augmentation."""

from typing import Annotated, Literal

from pydantic import Field

from kdcore.recipe.base import Fraction, PathText, Section, Seed

MOST_IMAGES = 10**9


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
    batch_size: int = Field(64, ge=1, le=8192)
    seed: Seed | Literal["run"] = Field(
        0,
        description="of the choice of validation images, limited images and labels, and of drawn images; `run`: the run's "
        "own, so that every seed has other training data and the same test images",
    )
    test_seed: Seed | None = Field(
        None, description="of the choice, or drawing, of test images; empty: `seed`, or 0 where that is `run`"
    )

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
