"""Settings that users changed during a run: the factors that hold, each change in words or as a schedule, and what an undo would change."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdcore.errors import UserError
from kdcore.recipe import Recipe, changing

Change = dict[str, Any]
KEPT = 200  # changes
DRAG_SECONDS = 5.0  # changes of one setting that follow each other so quickly are one
SETTINGS = {"weight": "the weight of ", "temperature": "the temperature of "}


class Adjustments:
    """Replays the KnobTurned events of a run.

    factors: knob -> factor on the recipe's value, of those that were ever turned.
    changes: the last ones: step, epoch, knob, factor, before (the factor before), old and new (the setting's values, None in
        runs of earlier versions), by, undo, time, words.
    """

    def __init__(self, factors: dict[str, float] | None = None) -> None:
        self.factors = dict(factors or {})
        self.changes: list[Change] = []
        self._undoable: list[Change] = []

    def take(self, event: dict[str, Any], epoch: float) -> str:
        """Replay an event; returns it as a sentence. Of a slider that was dragged, the last value counts."""
        knob, values = event["knob"], event["values"]
        change = {
            "step": event["step"], "epoch": epoch, "knob": knob, "factor": event["factor"],
            "before": self.factors.get(knob, 1.0), "old": values.get("old"), "new": values.get("new"), "by": event["by"],
            "undo": event["undo"], "time": event["time"],
        }  # fmt: skip
        self.factors[knob] = float(event["factor"])
        if self.continues(change):
            first = self.changes.pop()
            change |= {"before": first["before"], "old": first["old"]}
            if self._undoable:
                self._undoable.pop()
        change["words"] = _words(change)
        self.changes.append(change)
        del self.changes[:-KEPT]
        if not change["undo"]:
            self._undoable.append(change)
        elif self._undoable:
            self._undoable.pop()
        del self._undoable[:-KEPT]
        return sentence(change)

    def continues(self, change: Change) -> bool:
        """Whether a change is of the slider that is being dragged."""
        last = self.changes[-1] if self.changes else None
        return last is not None and (
            (last["knob"], last["by"], last["undo"], False) == (change["knob"], change["by"], False, change["undo"])
            and change["time"] - last["time"] < DRAG_SECONDS
        )

    def undoable(self) -> Change:
        """What an undo would change: knob, factor, words; empty where there is nothing to undo."""
        if not self._undoable:
            return {}
        last = self._undoable[-1]
        back = {**last, "factor": last["before"], "before": last["factor"], "old": last["new"], "new": last["old"]}
        return {"knob": last["knob"], "factor": last["before"], "words": _words(back)}

    def forget_after(self, step: int, factors: dict[str, float]) -> None:
        """Return to a checkpoint of a step, with the factors of that moment (step -1: to the run's beginning)."""
        self.factors = dict(factors)
        self.changes = [change for change in self.changes if change["step"] <= step]
        stack: list[Change] = []
        for change in self.changes:
            if not change["undo"]:
                stack.append(change)
            elif stack:
                stack.pop()
        self._undoable = stack

    def plain(self) -> dict[str, Any]:
        return {"factors": dict(self.factors), "changes": list(self.changes), "undoable": list(self._undoable)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Adjustments":
        found = cls(plain["factors"])
        found.changes, found._undoable = list(plain["changes"]), list(plain["undoable"])
        return found


def setting(knob: str) -> str:
    """`weight/kd` as `the weight of kd`."""
    kind, _, term = knob.partition("/")
    return f"{SETTINGS[kind]}{term}" if kind in SETTINGS and term else "the learning rate"


def as_schedules(
    recipe: Recipe, changes: Sequence[Change], factors: Mapping[str, float], steps_per_epoch: float
) -> Recipe:
    """The recipe with the changes that users made during its run as schedules: a run of it makes the same steps.

    Args:
        changes, factors: `knob_changes` and `knobs` of the run's state. A slider that was dragged counts with its last value.

    Raises:
        UserError: there are no changes, or so many that the first ones are not known any more.
    """
    if not factors:
        raise UserError("No setting was changed during this run, so its recipe says all of it.")
    if len(changes) >= KEPT:
        raise UserError(
            f"More than {KEPT - 1} changes were made during this run; only the last {KEPT} of them are stored."
        )
    values = {}
    for knob, factor in factors.items():
        own = [change for change in changes if change["knob"] == knob]
        points = {1.0: own[0]["before"] if own else factor}
        points |= {1 + change["step"] / steps_per_epoch: change["factor"] for change in own}
        place, spec = _scheduled(recipe, knob)
        values[place] = {"scaled": {"schedule": spec, "factors": [list(point) for point in points.items()]}}
    return changing.with_values(recipe, values, source="the recipe with the changes made during its run")


def _scheduled(recipe: Recipe, knob: str) -> tuple[str, Any]:
    """The dotted setting that a knob scales, and its value as a schedule."""
    kind, _, label = knob.partition("/")
    if not label:
        return "lr.shape", recipe.lr.spec
    place, term = next((place, term) for place, term in enumerate(recipe.terms) if term.label == label)
    return f"terms.{place}.{kind}", getattr(term, kind)


def _words(change: Change) -> str:
    """`Weight of kd: 0.9 → 1.8`; in factors where the values are not known."""
    name = setting(change["knob"]).removeprefix("the ")
    old, new = change["old"], change["new"]
    known = old is not None and new is not None
    from_to = f"{old:.4g} → {new:.4g}" if known else f"× {change['before']:g} → × {change['factor']:g}"
    return f"{name[0].upper()}{name[1:]}: {from_to}"


def sentence(change: Change) -> str:
    """`The weight of kd was changed from 0.9 to 1.8 by a user, after step 39.` change: step, knob, factor, old, new, by, undo."""
    start, after = setting(change["knob"]), f"by {change['by'] or 'a user'}, after step {change['step']:,}."
    if change["old"] is None or change["new"] is None:
        return f"T{start[1:]} was set to × {change['factor']:g} of the recipe's value {after}"
    how = "set back" if change["undo"] else "changed"
    return f"T{start[1:]} was {how} from {change['old']:.4g} to {change['new']:.4g} {after}"
