"""Several runs compared: what differs, results, curves, maps, and all settings of a sweep on parallel axes."""

from pages.parts.runs.compare.page import show

__all__ = ["show"]
