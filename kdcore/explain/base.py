"""What each file of a heatmap provides: a card that describes the map, and the options that maps take."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from kdcore.errors import UserError, blank
from kdcore.models import Tapped
from kdcore.models.taps import has_class_token
from kdcore.plugins import Part, check_types

Family = Literal["Class activation maps", "Attention", "Features", "Changes of the input"]
FAMILIES: tuple[Family, ...] = get_args(Family)  # in the order of listings


@dataclass(frozen=True)
class Networks:
    """For which networks a map is defined.

    title: these networks in words, for tables.
    lacking: why a network does not have the map, as a clause ("it has no class token"); "" where it has it.
    """

    title: str
    lacking: Callable[[Tapped], str]


def _no_features(model: Tapped) -> str:
    return "" if model.shapes().features else "none of its layers gives a feature map"


def _no_class_token(model: Tapped) -> str:
    """A class token is a parameter, `cls_token` or the like, whatever the network makes of it."""
    if model.has_attention:
        return _no_features(model)
    if not has_class_token(model.net):
        return "it has no class token"
    blocks = getattr(model.net, "blocks", None)
    kind = type(blocks[-1] if isinstance(blocks, (nn.ModuleList, nn.Sequential)) else model.net).__name__
    return f"the attention of its class token cannot be read: {kind} does not compute it as ViT, DeiT, EVA and BEiT do"


ANY_NETWORK = Networks("any", _no_features)
CLASS_TOKEN = Networks("ViT with a class token", _no_class_token)


@dataclass(frozen=True)
class MapCard(Part):
    """The description of a map, wherever it appears: on the page, on the command line, in tables and in docs/attention.md.

    summary: one plain sentence.
    about: what the map shows, what it does not show, and where it is empty; Markdown, a paragraph.
    paper, url: where it was published; empty where it is common knowledge.
    family, order: its place in listings.
    forwards: what a map costs, in forward passes of the network; forwards_per_cell: and for each cell of its grid.
    own: a network shows this map where none is named and it is defined; of several the first in the listing.
    counterpart: the map that a comparison shows for a network for which this one is not defined.
    first_choice: the map that a comparison of networks starts with; one map has it.
    """

    part_kind: ClassVar[str] = "heatmap"
    part_name: ClassVar[str] = "CARD"

    title: str
    summary: str
    about: str
    family: Family
    order: int
    networks: Networks = ANY_NETWORK
    takes_layer: bool = False
    takes_head: bool = False
    takes_query: bool = False  # it is about one patch: what that attends to, or resembles
    needs_gradient: bool = False
    explains_class: bool = False  # the map depends on the class that it is to explain
    forwards: float = 1.0
    forwards_per_cell: float = 0.0
    own: bool = False
    counterpart: str = ""
    first_choice: bool = False
    paper: str = ""
    url: str = ""

    @classmethod
    def taken_names(cls) -> Collection[str]:
        from kdcore.explain import maps

        return {"own", *maps.own_names()}

    def check_part(self, module: ModuleType) -> None:
        """Refuse a plugin's card that is incomplete, and a file without the function `maps`. Raises UserError."""
        check_types(self, MapCard, "the CARD")
        for field in ("title", "summary", "about"):
            if blank(getattr(self, field)):
                raise UserError(f"`{field}` of the CARD is empty: write a sentence, which the pages show.")
        if self.own or self.first_choice:
            raise UserError("`own` and `first_choice` of the CARD are for this project's maps: leave them out.")
        if not callable(getattr(module, "maps", None)):
            raise UserError(
                "there is a CARD, but no function `maps(model, images, options)` that gives logits and maps."
            )
        self._check_counterpart()

    def _check_counterpart(self) -> None:
        from kdcore.explain import maps

        known = [name for name in maps.own_names() if maps.card(name).any_network]
        if self.any_network != (not self.counterpart) or (self.counterpart and self.counterpart not in known):
            raise UserError(
                f"`counterpart` of the CARD is {self.counterpart!r}: a map that some networks lack names the map that a comparison "
                f"shows for those, of {', '.join(known)}; any other map none."
            )

    @property
    def any_network(self) -> bool:
        """Whether networks of every kind have this map."""
        return self.networks is ANY_NETWORK

    @property
    def one_pass(self) -> bool:
        """Whether it takes about one forward pass and no chosen patch, so that it keeps up with a camera."""
        return not self.takes_query and self.forwards < 1.5 and not self.forwards_per_cell

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in listings."""
        return FAMILIES.index(self.family), self.order


@dataclass(frozen=True, eq=False)
class MapOptions:
    """What a map is of.

    target: [B] int64, the class to explain; the predicted one unless given.
    against: [B] int64, a class whose score is subtracted: what speaks for `target` rather than for `against`.
    layer, head: counted from 0; the last layer and the mean of all heads unless given.
    query: (row, column) of a patch, for maps about one; the middle unless given.
    """

    target: Tensor | None = None
    against: Tensor | None = None
    layer: int | None = None
    head: int | None = None
    query: tuple[int, int] | None = None

    def score(self, logits: Tensor) -> Tensor:
        """The sum over the batch of the scores [B] to be explained."""
        score = logits.gather(1, chosen_class(logits, self.target)[:, None])
        if self.against is not None:
            score = score - logits.gather(1, self.against.to(logits.device)[:, None])
        return score.sum()

    def cell(self, grid: tuple[int, int]) -> int:
        """The number of the patch `query`, row by row. Raises UserError where there is no such patch."""
        row, column = (grid[0] // 2, grid[1] // 2) if self.query is None else self.query
        if not (0 <= row < grid[0] and 0 <= column < grid[1]):
            raise UserError(
                f"There is no patch {(row, column)}: this map has rows 0 to {grid[0] - 1} and columns 0 to {grid[1] - 1}."
            )
        return row * grid[1] + column


def chosen_class(logits: Tensor, target: Tensor | None) -> Tensor:
    """The given class, else the predicted one: int64 [B]."""
    return logits.argmax(dim=1) if target is None else target.to(logits.device)
