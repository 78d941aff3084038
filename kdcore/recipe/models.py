"""A recipe's networks: the student, its teacher and its twin, and where their weights come from."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from kdcore.errors import UserError
from kdcore.recipe.architecture import check_name, check_options
from kdcore.recipe.base import MOST_EPOCHS, PathText, Rate, Section
from kdcore.recipe.references import LibraryNetwork, Pretrained, RandomWeights, Reference, parse

Deviation = Annotated[float, Field(gt=0, le=1000)]  # pixels are divided by it


class FineTune(Section):
    """Fine-tuning of the teacher on the run's data before distillation, with labels only."""

    epochs: int = Field(3, ge=1, le=MOST_EPOCHS)
    lr: Rate = 1e-4
    freeze_backbone: bool = Field(False, description="train only the classifier")


class ModelRecipe(Section):
    """A network and where its weights come from.

    `model` is a timm name, `torchvision/NAME`, or a network of this project; it may be left out where the weights name it.
    `weights` is `none` (random), `pretrained` (the model zoo's), `pretrained:NAME` (the same, with the model's name), a bundled
    model's name, a run (`run:ID/student`), or the path of a .safetensors file.
    """

    model: str | None = None
    weights: PathText = "none"
    mean: tuple[float, float, float] | None = Field(None, description="overrides the statistics the weights come with")
    std: tuple[Deviation, Deviation, Deviation] | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="settings of the model's architecture")

    @field_validator("model")
    @classmethod
    def _is_a_name(cls, model: str | None) -> str | None:
        if model is not None:
            check_name(model)
        return model

    @field_validator("weights")
    @classmethod
    def _is_a_reference(cls, weights: str) -> str:
        parse(weights)
        return weights

    @field_validator("options")
    @classmethod
    def _are_settings(cls, options: dict[str, Any]) -> dict[str, Any]:
        check_options(options)
        return options

    @property
    def reference(self) -> Reference:
        """`weights`, parsed."""
        return parse(self.weights)

    @model_validator(mode="after")
    def _names_something(self) -> "ModelRecipe":
        if self.model is None and isinstance(self.reference, RandomWeights | Pretrained):
            raise UserError("name a `model`, or `weights` that come with one (a bundled model, a run, a file)")
        if isinstance(self.reference, LibraryNetwork) and self.model not in (None, self.reference.name):
            raise UserError(f"`{self.weights}` is another network than `model: {self.model}`: leave `model` out")
        return self


class TeacherRecipe(ModelRecipe):
    finetune: FineTune | None = None
    map_classes: bool = Field(
        False, description="select the data's classes from the teacher's outputs by name, in the data's order"
    )
    image_size: int | None = Field(
        None, ge=8, le=1024, description="side in pixels of its images, where it differs from the student's"
    )
    accept: bool = Field(False, description="run it although the teacher check advises against it")
    cache_views: int = Field(
        0,
        ge=0,
        le=1000,
        description="cache its outputs for this number of fixed augmentations per image; 0: compute them in every step",
    )

    @model_validator(mode="after")
    def _one_way_to_the_classes(self) -> "TeacherRecipe":
        if self.map_classes and self.finetune:
            raise UserError(
                "`map_classes` keeps the teacher's classifier, `finetune` replaces it: leave one of them out"
            )
        return self


class TwinRecipe(Section):
    """The student's twin, trained without a teacher. Same initialisation, batches and augmentation; optionally its own
    learning rate."""

    lr: Rate | None = None
