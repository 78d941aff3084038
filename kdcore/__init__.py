"""The engine of Distillation Explorer: recipes in, events out. See docs/architecture.md for its packages."""

__version__ = "0.1.0"
