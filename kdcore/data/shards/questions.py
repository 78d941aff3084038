"""Sentences on labels that may be a mistake: numbers among names, and one class that is written in several ways."""

from collections.abc import Mapping, Sequence

from kdcore.data.shards import entries
from kdcore.errors import clipped


def merged(written: Mapping[str, Sequence[str]]) -> list[str]:
    """On labels that are one class though they are written in different ways: `007` and `7` may be two ids.

    Args:
        written: the ways in which each label is written.
    """
    several = [ways for ways in written.values() if len(ways) > 1]
    if not several:
        return []
    some = "; ".join(" and ".join(ascii(clipped(way, 60)) for way in ways) for ways in several[:3])
    return [
        f"{len(several):,} of the classes have labels that are written in different ways: {some}{'; ...' if several[3:] else ''}. "
        "Numbers with the same value, and names in another Unicode form, are one class; for ids that differ, put a letter first."
    ]


def mixed(labels: Sequence[str]) -> list[str]:
    """On numbers among names: either may be a mistake, and numbers get no names from a file then."""
    numbers = list(filter(entries.is_number, labels))
    if not numbers:
        return []
    others = [clipped(label, 60) for label in labels if not entries.is_number(label)]
    return [
        f"Some labels are numbers ({', '.join(numbers[:3])}), others names ({', '.join(others[:3])}): each is a class of its own."
    ]
