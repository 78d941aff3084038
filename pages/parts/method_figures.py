"""Which cards have figures to turn. A method without any needs no entry here."""

from collections.abc import Callable

from pages.parts import method_maps, method_parts, method_temperature

FIGURES: dict[str, tuple[Callable[[], None], ...]] = {
    "kd": (method_temperature.show,),
    "dkd": (method_parts.show,),
    "attention": (method_maps.show,),
}
