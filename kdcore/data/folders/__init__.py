"""Folders of images: what they hold, the classes and splits that it makes, and what is left out and why."""
