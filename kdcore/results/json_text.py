"""Numbers as JSON that every reader takes: null where Python has NaN or infinity."""

import json
import math
from typing import Any


def text(value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """A plain value as JSON; NaN and infinity, which JSON lacks, are null."""
    try:
        return json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except ValueError:  # rare enough to serialise twice then, not to look at every number before
        return json.dumps(finite(value), indent=indent, separators=separators, allow_nan=False)


def finite(value: Any) -> Any:
    """The value with None in place of every float that is not finite, at any depth."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: finite(item) for key, item in value.items()}
        case list() | tuple():
            return [finite(item) for item in value]
        case _:
            return value
