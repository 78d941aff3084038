"""A method in recipes: as a term with the defaults of its card, and in a short trial run."""

from typing import Any

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.inspection.method_cards import Entry
from kdcore.paths import ASSETS
from kdcore.recipe import Recipe
from kdcore.recipe.terms import SUPERVISED

BUNDLED = {
    ("ViT", "CNN"): ("cues-teacher", "three_stage_cnn_16"),
    ("CNN", "ViT"): ("cues-student", "small_vit_patch8_64"),
    ("CNN", "CNN"): ("cues-student", "three_stage_cnn_16"),
    ("ViT", "ViT"): ("cues-teacher", "small_vit_patch8_64"),
}  # pairing -> a teacher that comes with the project, a student for it


def term(entry: Entry) -> dict[str, Any]:
    """The method as a term of a recipe, with the weight and temperature of its card."""
    plain: dict[str, Any] = {"method": entry.name, "weight": entry.card.weight}
    if entry.card.temperature is not None:
        plain["temperature"] = entry.card.temperature
    return plain


def trial(entry: Entry) -> Recipe:
    """The quick recipe with this method beside cross-entropy, for the first pairing of bundled networks that it allows.

    Raises:
        UserError: it allows none.
    """
    quick = recipes.load(ASSETS / "recipes" / "quick.yaml").model_dump(mode="json", exclude_defaults=True)
    plain = {**quick, "name": f"quick-{entry.name}", "note": f"{entry.card.title}: {entry.card.summary}"}
    share = entry.card.weight if entry.compares == "logits" else 0
    labels = {
        "method": SUPERVISED,
        "weight": round(1 - share, 3) if share < 1 else 1.0,
    }  # as in the papers: 0.1 beside 0.9 of soft labels
    if not entry.uses_teacher:
        return recipes.from_plain({**plain, "teacher": None, "twin": False, "terms": [term(entry)]})
    for pairing, (teacher, student) in BUNDLED.items():
        if not entry.refusals[pairing]:
            networks = {"teacher": {"weights": teacher}, "student": {"model": student}}
            return recipes.from_plain({**plain, **networks, "terms": [labels, term(entry)]})
    raise UserError(f"{entry.name} refuses every pairing: {next(iter(entry.refusals.values()))}")
