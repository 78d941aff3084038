"""The card of a method: its description for users, from which its pages are made."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Card:
    """The description of a method for its users. The Methods page and docs/methods are made from it.

    title: its usual name.
    summary: one sentence: what the student learns to match.
    formula: LaTeX of the unweighted loss, with T for the teacher and S for the student.
    symbols: the letters of the formula except T, S and p (class probabilities), as one line of Markdown.
    paper: authors, venue, year. url: of the paper.
    weight: a weight to start from, for this reduction. temperature: likewise, where the method uses one.
    source: where these come from, and the setting they were tuned in.
    use: when it is the right choice. avoid: when it is not, or what to watch for.
    differs: how this differs from the authors' code or paper, where it does.
    compares: which outputs of the two networks; derived from `needs` unless given. `relations` are those between the
        images of a batch.
    """

    title: str
    summary: str
    formula: str
    symbols: str
    paper: str
    url: str
    weight: float
    source: str
    use: str
    avoid: str
    differs: str = ""
    temperature: float | None = None
    compares: Literal["labels", "logits", "features", "attention", "relations"] | None = None
