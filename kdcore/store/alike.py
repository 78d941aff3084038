"""Runs that differ in their seed alone: a checksum of all else that decides a run."""

import hashlib
from dataclasses import dataclass

from kdcore.recipe import Recipe


@dataclass(frozen=True)
class Alike:
    """A checksum of what decides a run, without its name, note and seed; and its seed."""

    recipe: str
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> "Alike":
        same = recipe.model_copy(update={"name": "any", "note": "", "seeds": (0,)}).model_dump_json()
        return cls(hashlib.sha256(same.encode()).hexdigest(), recipe.seeds)
