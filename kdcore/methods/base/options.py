"""Types of numbers that options of methods take; a recipe's values are checked against them."""

from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e4)]
Factor = Annotated[float, Field(ge=0, le=1e6)]
Count = Annotated[int, Field(ge=1, le=100_000)]  # of images or steps
Width = Annotated[int, Field(ge=1, le=4096)]  # channels of a layer, whose weights grow with it
Side = Annotated[int, Field(ge=1, le=64)]  # places of a map along a side
Layers = Annotated[int, Field(ge=1, le=1000)]
Steps = Annotated[int, Field(ge=0, le=1_000_000)]  # between two events of a run; 0 for never
