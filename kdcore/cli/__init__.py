"""The command line `python -m kdcore`: a file per noun; it uses the same engine and run folders as the app."""

from kdcore.cli.main import main

__all__ = ["main"]
