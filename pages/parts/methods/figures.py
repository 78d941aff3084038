"""Which method cards have interactive figures, and which card newcomers start with. Most methods need no entry."""

from collections.abc import Callable

from pages.parts.methods import decoupled, map_divergences, temperature

FIRST = "kd"  # the card for newcomers; its figures show soft labels
FIGURES: dict[str, tuple[Callable[[], None], ...]] = {
    "kd": (temperature.show,),
    "dkd": (decoupled.show,),
    "attention": (map_divergences.show,),
}
