"""`plugins`: the parts of your own that were found, and what is wrong with those that were not"""

from cyclopts import App

from kdcore.cli.options import Json
from kdcore.results import json_text

app = App(
    name="plugins",
    help_epilogue="""Examples:

  python -m kdcore plugins --plugin my_loss.py     check a file
  KD_PLUGINS=my_parts python -m kdcore plugins     check a folder

docs/plugins.md has an example of each kind.""",
)


@app.default
def plugins(*, as_json: Json = False) -> int:
    """List methods, heatmaps, datasets, test sets and networks of your own; exit status 1 where one cannot be used."""
    from kdcore import plugins as found

    if as_json:
        for each in found.every():
            plain = {"kind": each.kind, "name": each.name, "from": each.where, "sha256": each.sha256}
            print(json_text.text(plain))
    else:
        for each in found.every():
            print(f"{each.kind:8}  {each.name:20}  {each.sha256[:12]}  {each.where}")
        if not found.every() and not found.problems():
            print(
                "No plugins. Name files with --plugin FILE.py, or files and folders with KD_PLUGINS (docs/plugins.md)."
            )
    return 1 if found.problems() else 0
