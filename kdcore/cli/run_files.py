"""`runs export`, `runs import` and `runs report`: runs as files, for other machines and for readers without the app."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kdcore.cli.options import RunId, store, writing
from kdcore.errors import UserError
from kdcore.files import atomic


def export_run(
    run_id: RunId,
    file: Path,
    /,
    *,
    weights: Annotated[
        bool, Parameter(help="Also checkpoints and snapshots, so that it can be resumed and looked at.", negative="")
    ] = False,
) -> int:
    """Write a run as a zip file, which `runs import` of another machine reads."""
    from kdcore.export import folder

    if file.exists():
        raise UserError(f"{file} exists already. Give another name, or delete it.")
    with writing(file), atomic.replacing(file) as temporary:
        count = folder.export_run(store(), run_id, temporary, weights=weights)
    print(f"wrote {file}: {count} files, {file.stat().st_size / 2**20:.1f} MiB{'' if weights else ', without weights'}")
    return 0


def import_run(file: Path, /) -> int:
    """Add the run of a zip file that `runs export` made. Prints its id, a new one where another run has its own."""
    from kdcore.export import folder

    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    print(folder.import_run(store(), file, plain_name=file.name))
    return 0


def report(
    run_id: RunId,
    /,
    *more: RunId,
    out: Annotated[Path, Parameter(help="The file to write, such as report.html.")],
) -> int:
    """Write one HTML page of a run, or of several side by side, which opens without the app and without a network."""
    from kdcore.export.report import page as made

    page = made(store(), list(dict.fromkeys([run_id, *more])))
    with writing(out):
        atomic.write_text(out, page)
    print(f"wrote {out}: {len(page.encode()) / 1e6:.1f} MB")
    return 0
