"""Checks each line of events.jsonl: its event is known and has every field with the type of its dataclass.

The replay and the pages rely on it: steps are whole numbers, times and epochs are finite, results are complete.
"""

import dataclasses
import json
import math
import re
import reprlib
from collections.abc import Callable
from typing import Any

from kdcore.errors import UserError
from kdcore.events import KINDS, Changes, Event, Numbers
from kdcore.store.replay.lines import MOST_BYTES
from kdcore.store.run_files.writing import TEST

MOST_WHOLE = 2**53  # the largest whole number that JavaScript holds exactly
LATEST = 1e11  # seconds since 1970: in the year 5138
LONGEST_NAME = 200
SHARES = ("top1", "low", "high")  # of results
APART = ("only_student", "only_twin", "only_first", "only_second")  # images that only one network predicts rightly
ROUNDING = 1e-6
KNOB_FACTORS = (0.0, 100.0)
FILE = re.compile(r"(probes/\d{1,16}\.npz|checkpoints/\d{1,16}\.safetensors)")
Check = tuple[Callable[[Any], bool], str]  # and what is expected, for the message


def event(line: bytes) -> dict[str, Any]:
    """The event of a line, without fields that this version does not know.

    Raises:
        UserError: what is wrong with the line; the message begins with a lower-case letter.
    """
    plain = _parsed(line)
    kind = plain.get("event")
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise UserError(f"{reprlib.repr(kind)} is not an event of this version")
    found = {"event": kind, "time": plain.get("time")}
    if not _is_time(found["time"]):
        raise UserError(f"`time` should be seconds since 1970, not {reprlib.repr(found['time'])}")
    for name, (fits, wanted), default in fields:
        if name not in plain:
            if default is dataclasses.MISSING:
                raise UserError(f"{kind} has no `{name}`")
            found[name] = default()
        elif fits(plain[name]):
            found[name] = plain[name]
        else:
            raise UserError(f"`{name}` of {kind} should be {wanted}, not {reprlib.repr(plain[name])}")
    if together := TOGETHER.get(str(kind)):
        together(found)
    return found


def _parsed(line: bytes) -> dict[str, Any]:
    if len(line) > MOST_BYTES:
        raise UserError(f"it is longer than {MOST_BYTES >> 20} MiB")
    try:
        plain = json.loads(line.decode())
        if b"\\u" in line:  # half of a surrogate pair cannot be encoded
            json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeError:
        raise UserError("it is not UTF-8") from None
    except RecursionError:
        raise UserError("it is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"it is not valid JSON ({error})") from None
    if not isinstance(plain, dict):
        raise UserError(f"it should be a mapping, not {reprlib.repr(plain)}")
    return plain


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_WHOLE


def _is_number(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) <= MOST_WHOLE)


def _is_not_negative(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= LATEST


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_numbers(value: Any) -> bool:
    """Measured values, which may be missing (null) or not finite."""
    if type(value) is not dict:
        return False
    for name, number in value.items():
        if type(number) is not float and number is not None and not _is_number(number):
            return False
        if len(name) > LONGEST_NAME:
            return False
    return True


def _is_groups(value: Any) -> bool:
    return type(value) is dict and all(len(name) <= LONGEST_NAME and _is_numbers(own) for name, own in value.items())


def _is_counts(value: Any) -> bool:
    return type(value) is dict and all(map(_is_whole, value.values()))


def _is_changes(value: Any) -> bool:
    return type(value) is dict and all(
        len(name) <= LONGEST_NAME and type(both) is list and len(both) == 2 for name, both in value.items()
    )


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(map(_is_text, value))


def _is_some_numbers(value: Any) -> bool:
    return type(value) is list and bool(value) and all(map(_is_number, value))


def _is_file(value: Any) -> bool:
    return type(value) is str and FILE.fullmatch(value) is not None


def _is_test_file(value: Any) -> bool:
    return value in ("", TEST)


def _is_factor(value: Any) -> bool:
    return _is_number(value) and KNOB_FACTORS[0] <= value <= KNOB_FACTORS[1]


BY_TYPE: dict[Any, Check] = {
    int: (_is_whole, "a whole number from 0 to 2^53"),
    float: (_is_number, "a number"),
    str: (_is_text, "a text"),
    bool: (lambda value: type(value) is bool, "true or false"),
    Numbers: (_is_numbers, "a mapping of names to numbers"),
    dict[str, Numbers]: (_is_groups, "a mapping of names to mappings of numbers"),
    dict[str, int]: (_is_counts, "a mapping of names to whole numbers"),
    Changes: (_is_changes, "a mapping of settings to two values each"),
    tuple[str, ...]: (_is_texts, "a list of texts"),
    tuple[float, ...]: (_is_some_numbers, "a list of numbers"),
}
BY_NAME: dict[tuple[str, str], Check] = {  # stricter than the type
    ("ProbeTaken", "file"): (_is_file, "a file in probes/"),
    ("CheckpointSaved", "file"): (_is_file, "a file in checkpoints/"),
    ("RunFinished", "file"): (_is_test_file, f"{TEST} or empty"),
    ("KnobTurned", "factor"): (_is_factor, "a number from 0 to 100"),
}
NOT_NEGATIVE = ("epoch", "images_per_second", "seconds")


def _fields(kind: type[Event]) -> list[tuple[str, Check, Any]]:
    """name, check and default of each stored field."""
    found = []
    for field in dataclasses.fields(kind):
        if not field.metadata.get("stored", True) or field.type not in BY_TYPE:
            continue
        check = BY_NAME.get((kind.__name__, field.name), BY_TYPE[field.type])
        if field.name in NOT_NEGATIVE:
            check = (_is_not_negative, "a number from 0")
        default: Any = field.default_factory
        if field.default is not dataclasses.MISSING:
            default = lambda value=field.default: value  # noqa: E731
        found.append((field.name, check, default))
    return found


def _complete_results(found: dict[str, Any]) -> None:
    """Require what pages show of every finished run; other values that are not finite become None."""
    results = found["results"]
    if results and "student" not in results:
        raise UserError("`results` has no student")
    for network, figures in results.items():
        results[network] = {name: value if _is_number(value) else None for name, value in figures.items()}
        needed = {"student": ["top1"], "twin": ["top1"], "teacher": ["top1"], "difference": ["top1", "low", "high"]}
        interval = ["low", "high"] if "low" in figures or "high" in figures else []
        for name in [*needed.get(network, []), *interval, *(["count"] if "count" in figures else [])]:
            if results[network].get(name) is None:
                raise UserError(f"`{name}` of the {network}'s results should be a number, not {figures.get(name)!r}")
        _check_possible(network, results[network])
    apart = [value for name in APART if (value := results.get("difference", {}).get(name)) is not None]
    count = results.get("student", {}).get("count")
    if count is not None and sum(apart) > count:
        raise UserError(f"`difference` counts {sum(apart)} images on which the two differ, and there are {count}")


def _check_possible(network: str, figures: Numbers) -> None:
    """Accuracies are shares and images are counted in whole numbers, or no interval can be made of them."""
    least = -1 if network == "difference" else 0
    for name, value in figures.items():
        if value is None:
            continue
        if name in SHARES and not least - ROUNDING <= value <= 1 + ROUNDING:
            raise UserError(
                f"`{name}` of the {network}'s results should be from {least} to 1, not {reprlib.repr(value)}"
            )
        if name in (*APART, "count") and not (0 <= value <= MOST_WHOLE and value == int(value)):
            raise UserError(
                f"`{name}` of the {network}'s results should be a number of images, not {reprlib.repr(value)}"
            )


def _complete_metrics(found: dict[str, Any]) -> None:
    for network, metrics in found["metrics"].items():
        if found["split"] == "validation" and not _is_number(metrics.get("top1")):
            raise UserError(f"`top1` of the {network}'s metrics should be a number, not {metrics.get('top1')!r}")


def _complete_counts(found: dict[str, Any]) -> None:
    """Require of each perturbed set what student, twin and teacher are compared by."""
    for test_set, accuracies in found["accuracy"].items():
        if not all(map(_is_number, accuracies.values())):
            raise UserError(f"`accuracy` on {test_set!r} should be numbers, not {reprlib.repr(accuracies)}")
        others = [name for name in ("student", "teacher") if {name, "twin"} <= accuracies.keys()]
        for pair in (pair for name in others for pair in (f"{name}/twin", f"twin/{name}")):
            if not _is_whole(count := found["only"].get(test_set, {}).get(pair)) or count > found["images"]:
                raise UserError(f"`only` on {test_set!r} should count {pair} images, not {count!r}")


def _known_idle(found: dict[str, Any]) -> None:
    for term, weight in found["idle"].items():
        if not _is_number(weight) or found["shares"].get(term) is None:
            raise UserError(f"`idle` names {term!r} without its share or weight")


FIELDS = {name: _fields(kind) for name, kind in KINDS.items()}
TOGETHER: dict[str, Callable[[dict[str, Any]], None]] = {
    "RunFinished": _complete_results,
    "Evaluated": _complete_metrics,
    "GradientsMeasured": _known_idle,
    "RobustnessMeasured": _complete_counts,
}
