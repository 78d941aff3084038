"""Which cards have figures to turn. A method without any needs no entry here."""

from collections.abc import Callable

from pages.parts.methods import decoupled, map_divergences, temperature

FIGURES: dict[str, tuple[Callable[[], None], ...]] = {
    "kd": (temperature.show,),
    "dkd": (decoupled.show,),
    "attention": (map_divergences.show,),
}
