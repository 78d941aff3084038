"""What several commands share: options, the store, the device, and files to write."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kdcore.errors import UserError, shortened
from kdcore.files import disk
from kdcore.paths import ASSETS, runs_folder, weights_folder
from kdcore.store import Store

if TYPE_CHECKING:
    import torch

Overrides = Annotated[
    list[str] | None,
    Parameter(name="--set", metavar="KEY=VALUE", help="Change a setting, such as data.labels=500. Repeat for more."),
]
Seeds = Annotated[
    list[int] | None,
    Parameter(
        name=("--seeds", "--seed"),
        consume_multiple=(1, None),
        metavar="SEED...",
        help="Random seeds, one run each: --seeds 0 1 2. The summary has their mean and its interval.",
    ),
]
Device = Annotated[str | None, Parameter(help="cpu, cuda, cuda:1 or mps. Default: the GPU where there is one.")]
JsonEvents = Annotated[
    bool,
    Parameter(name="--json", show_default=False, help="Print one line of JSON per event instead of a progress bar."),
]
EventFolder = Annotated[
    list[Path] | None,
    Parameter(
        name="--tensorboard",
        consume_multiple=(0, 1),
        negative="",
        metavar="[FOLDER]",
        help="Write TensorBoard event files while training, into FOLDER/ID, or without FOLDER into the run's own folder.",
    ),
]
Sets = Annotated[
    list[str] | None,
    Parameter(
        name="--sets",
        consume_multiple=(1, None),
        metavar="SET...",
        help="quick (a set of each kind, 1,000 images), usual (every set at its usual strength), full (at all strengths), "
        "corruptions, or names of sets with or without a strength, such as low_pass patch_scramble@4. Default: quick; of "
        "studies their test_sets, else usual.",
    ),
]
Json = Annotated[bool, Parameter(name="--json", show_default=False, help="Print JSON.")]

RunId = Annotated[str, Parameter(name="ID", help="Id of a run; `runs` lists them.")]
StudyId = Annotated[str, Parameter(name="ID", help="Id of a study; `study list` lists them.")]
Against = Annotated[
    str | None,
    Parameter(help="The variant to compare the others with. Default: the first with the same student network."),
]


def store() -> Store:
    """The runs of this machine, and the recorded ones that come with the project."""
    return Store(runs_folder(), recorded=ASSETS / "runs")


def noted(text: str) -> None:
    """Print a note beside the results, which go to stdout."""
    print(f"note: {text}", file=sys.stderr)


def torch_device(name: str | None) -> "torch.device":
    """The device of --device; by default the GPU where there is one.

    Raises:
        UserError: there is no such device on this machine.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device is {shortened(name)}; cpu, cuda, cuda:1 or mps was expected.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device is {name}, but PyTorch finds {torch.cuda.device_count()} CUDA GPUs here. Try --device cpu."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device is mps, which PyTorch does not find here. Try --device cpu.")
    return device


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around code that writes a file: a missing folder or a full disk is a UserError that states how to fix it.

    The folder of the data folder in which recipes look for weight files is created.
    """
    if path.parent.resolve() == weights_folder():
        with disk.in_words(path.parent, then="run the command again"):
            path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent} to write {path.name} to. Create it, or choose another path.")
    if path.is_dir():
        raise UserError(f"{path} is a folder. Give the path of a file.")
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no plain file (a device or pipe), so it is not replaced. Give another path.")
    with disk.in_words(path.parent, then="run the command again"):
        yield


def set_title(text: str) -> str:
    """A perturbed test set in words, from its text: `patch_scramble@4` -> `Scrambled patches (4)`."""
    from kdcore.robustness import conditions  # with torch, which a command only loads where a run has such sets

    return conditions.title_of(text)
