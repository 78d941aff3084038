"""The command line: flags to a recipe, to the same engine and the same run folders as the app."""

from kdcore.cli.main import main

__all__ = ["main"]
