"""References to weights: `none`, `pretrained`, `pretrained:NAME`, a bundled model's name, a file, or `run:ID/network@step`."""

from dataclasses import dataclass
from pathlib import PurePath

from kdcore.errors import UserError, clipped
from kdcore.recipe.architecture import check_name

RUN = "run:"
LIBRARY = "pretrained:"
NETWORKS = ("student", "twin", "teacher")
SAFETENSORS = ".safetensors"
PICKLES = (
    ".pt",
    ".pth",
    ".th",
    ".bin",
    ".ckpt",
    ".pkl",
    ".tar",
)  # recognised, so that they can be refused with a reason

WAYS = "write `none` (random weights), `pretrained`, the name of bundled weights, run:ID/student or the path of a .safetensors file"


@dataclass(frozen=True)
class RandomWeights:
    """`none`: a network as it is initialised."""

    def __str__(self) -> str:
        return "none"


@dataclass(frozen=True)
class Pretrained:
    """`pretrained`: the weights that the model's library offers for its name."""

    def __str__(self) -> str:
        return "pretrained"


@dataclass(frozen=True)
class LibraryNetwork:
    """`pretrained:NAME`: a network of timm or torchvision with its pretrained weights, image size and classes."""

    name: str

    def __str__(self) -> str:
        return f"{LIBRARY}{self.name}"


@dataclass(frozen=True)
class Bundled:
    """A model that comes with the project, by its name; whether there is one is seen when it is looked for."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class WeightFile:
    """A .safetensors file, or a pickle by its suffix."""

    path: str

    def __str__(self) -> str:
        return self.path

    @property
    def is_pickle(self) -> bool:
        return PurePath(self.path).suffix.lower() in PICKLES

    def check(self) -> None:
        """Refuse a pickle. Raises UserError with how to convert it."""
        if self.is_pickle:
            out = f"{PurePath(self.path).stem.removesuffix('.pth')}{SAFETENSORS}"
            raise UserError(
                f"{self} is a pickle, which can run code when it is opened, so recipes and commands do not open it. Convert it "
                f"once, which runs no code: python -m kdcore import-weights {self} --model NAME --out {out}"
            )


@dataclass(frozen=True)
class RunNetwork:
    """A network of a run, from its newest checkpoint; or with a `step`, from the snapshot of that step."""

    run_id: str
    network: str = "student"
    step: int | None = None

    def __str__(self) -> str:
        return f"{RUN}{self.run_id}/{self.network}" + ("" if self.step is None else f"@{self.step}")


Reference = RandomWeights | Pretrained | LibraryNetwork | Bundled | WeightFile | RunNetwork


def parse(text: str) -> Reference:
    """What a reference names. Looks at no file; `str` of the result is the reference again, a run's network spelled out.

    Raises:
        UserError: a run's reference without a run, with an unknown network, or with a step that is no number; or
            `pretrained:` with a text that no network has as its name; an empty text, or an address of the web.
    """
    if not text.strip():
        raise UserError(f"no weights are named: {WAYS}.")
    if "://" in text:
        raise UserError(f"{clipped(text)} is an address, and weights are a file here: download it first. Then: {WAYS}.")
    if text == "none":
        return RandomWeights()
    if text == "pretrained":
        return Pretrained()
    if text.startswith(RUN):
        return _in_run(text)
    if text.startswith(LIBRARY):
        check_name(text.removeprefix(LIBRARY))
        return LibraryNetwork(text.removeprefix(LIBRARY))
    return WeightFile(text) if PurePath(text).suffix.lower() in (SAFETENSORS, *PICKLES) else Bundled(text)


def _in_run(text: str) -> RunNetwork:
    run_id, _, rest = text.removeprefix(RUN).partition("/")
    network, at, step = rest.partition("@")
    if not run_id:
        raise UserError(f"{clipped(text)} names no run: write run:ID/student, with an ID of `python -m kdcore runs`.")
    if network and network not in NETWORKS:
        raise UserError(f"A run has no {clipped(network)!r}; it has {', '.join(NETWORKS)}.")
    if at and not (step.isascii() and step.isdecimal()):
        raise UserError(
            f"{clipped(text)} should end in the number of a step, as in run:{clipped(run_id)}/student@1200."
        )
    return RunNetwork(run_id, network or "student", int(step) if at else None)
