"""Numbers, durations and statuses as text; the engine uses fractions, seconds and names."""

import re
import time
from typing import Literal

from kdcore.data import datasets
from kdcore.recipe import Recipe
from kdcore.results.comparison import MINUS, Figure, ends, middle, minus, points
from kdcore.store import RunState

__all__ = [
    "HARD",
    "MINUS",
    "PERCENT_LABEL",
    "STATUS",
    "as_text",
    "count",
    "disk",
    "duration",
    "gap",
    "in_badge",
    "interval",
    "message",
    "minus",
    "percent",
    "points",
    "progress",
    "setting",
    "when",
]

HARD = "\u00a0"  # a space at which no line breaks: a caption stays whole, a table too wide is pushed sideways
PERCENT_LABEL = f"format(100 * datum.value, '.0f') + '{HARD}%'"  # of a chart's axis or legend, as `percent` writes it
_JOINER = "\u2060"  # has no width and breaks no line
_MARKUP = re.compile(  # elsewhere these characters are themselves
    r"(?P<anywhere>[\\`*\[\]<~$|]|!(?=\[)|&(?=[#\w]+;)|:(?=[A-Za-z:\u2060])|(?<![^\W_])_|_(?![^\W_]))"
    r"|^(?P<first>\s*)(?P<start>[-+#>=]|\d+(?=[.)]))",
    re.MULTILINE,
)
_REPLACED = re.compile(
    r"(?<=:)//(?=\S)|www(?=\.)|@(?=[\w-])|:(?=[\w+-][\w+/-]*:)|(?<!\S)(?:<->|->|<-|--|>=|<=|~=)(?!\S)", re.IGNORECASE
)
_CODE = re.compile(r"(`[^`\n]+`)")
QUIET = 2.0  # seconds without a new event after which the progress line shows the run's last note

STATUS: dict[str, tuple[str, Literal["gray", "blue", "orange", "red", "green"], str]] = {
    "created": ("Starting", "gray", ":material/hourglass_empty:"),
    "queued": ("Queued", "gray", ":material/hourglass_empty:"),
    "preparing": ("Preparing", "blue", ":material/autorenew:"),
    "running": ("Training", "blue", ":material/play_arrow:"),
    "paused": ("Paused", "orange", ":material/pause:"),
    "finished": ("Finished", "green", ":material/check:"),
    "stopped": ("Stopped", "orange", ":material/stop:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
    "failed": ("Failed", "red", ":material/error:"),
    "damaged": ("Damaged", "red", ":material/broken_image:"),
}


def as_text(words: str) -> str:
    """Text that is not the app's own, such as a run's name, for every place that reads Markdown: shown as it was written.

    What begins Markdown, HTML or LaTeX is escaped; ordinary sentences stay as they are. What Streamlit replaces after that
    (addresses by links, `:name:` by emoji or icons, arrows) is kept apart by an invisible character.
    """
    kept = _REPLACED.sub(lambda found: found[0][:1] + _JOINER + found[0][1:], words)
    return "  \n".join(line.strip() for line in _MARKUP.sub(_escaped, kept).split("\n"))


def _escaped(found: re.Match[str]) -> str:
    if found["anywhere"]:
        return f"\\{found['anywhere']}"
    number = found["start"][0].isdigit()  # of a list: the character after it is escaped
    return found["first"] + (f"{found['start']}\\" if number else f"\\{found['start']}")


def in_badge(words: str) -> str:
    """`as_text` for `st.badge`, which escapes brackets itself."""
    return as_text(words).replace("\\[", "[").replace("\\]", "]")


def message(text: str) -> str:
    """An error's message for a place that reads Markdown: as text, but for `code` in backticks, which is shown as such.

    The values in it may be a visitor's. Whatever they are, what is left outside of backticks is escaped, and code has no markup.
    """
    parts = _CODE.split(text)
    return "".join(part if place % 2 else _part_as_text(part) for place, part in enumerate(parts))


def _part_as_text(part: str) -> str:
    """`as_text` for a part of a line, whose spaces at both ends stay."""
    start, end = part[: len(part) - len(part.lstrip(" "))], part[len(part.rstrip(" ")) :]
    return start + as_text(part) + (end if part.strip(" ") else "")


def percent(fraction: float, places: int = 1) -> str:
    """`62.0 %`; of what is not quite 0, `< 0.1 %`."""
    least = 10.0**-places
    return f"< {least:g} %" if 0 < 100 * fraction < least / 2 else minus(f"{100 * fraction:.{places}f} %")


def duration(seconds: float) -> str:
    """`41 s`, `1 min 44 s`, `2 h 5 min`, `3 days 4 h`."""
    seconds = max(0, round(seconds))
    for name, length, smaller_name, smaller in (
        ("day", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if seconds >= length:
            count, rest = divmod(seconds, length)
            word = f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
            return word + (f" {rest // smaller} {smaller_name}" if rest // smaller and count < 20 else "")
    return f"{seconds} s"


def count(number: float) -> str:
    """`24,570` and `2.8 million`."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,.0f}"


def disk(size: float) -> str:
    """`412 kB`, `165 MB`, `3.3 GB`: powers of ten."""
    unit, word = next(each for each in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= each[0] or each[1] == "kB")
    return f"{size / unit:,.0f} {word}" if size >= 10 * unit else f"{size / unit:.2g} {word}"


def when(stamp: float) -> str:
    """`today 08:28`, `20 Nov 21:28`, `20 Nov 2025`."""
    then, now = time.localtime(stamp), time.localtime()
    if then[:3] == now[:3]:
        return time.strftime("today %H:%M", then)
    if then.tm_year == now.tm_year:
        return f"{then.tm_mday} {time.strftime('%b %H:%M', then)}"
    return f"{then.tm_mday} {time.strftime('%b %Y', then)}"


def progress(run: RunState) -> str:
    """Where a run is, in one line."""
    if not run.steps:
        return "Waiting for the first step"
    parts = [f"Epoch {min(run.epoch, run.epochs):.1f} of {run.epochs}", f"step {run.step:,} of {run.steps:,}"]
    if note := last_note(run):
        return " · ".join([*parts, note])
    if run.status == "running" and run.images_per_second:
        parts.append(f"{run.images_per_second:,.0f} images/s")
    if (left := run.remaining_seconds) is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def last_note(run: RunState) -> str:
    """The last note of a running run, if nothing else was logged for a while; else nothing."""
    newest = run.notes[-1] if run.notes else {"time": 0.0, "text": ""}
    quiet = newest["time"] == run.updated and time.time() - run.updated > QUIET
    return str(newest["text"]) if run.status == "running" and quiet else ""


def setting(recipe: Recipe, run: RunState) -> str:
    """The data and the twin, in words."""
    images, labelled = run.train_images, run.labelled_images
    if labelled and labelled < images:
        words = [
            f"{labelled:,} of {images:,} training images are labelled; the others have no label for student and twin "
            "alike."
        ]
    else:
        words = [f"All {images:,} training images are labelled."] if images else []
    words += datasets.notes(recipe.data)
    if recipe.twin:
        words.append("The twin is the same network without a teacher: same initial weights, same batches, labels only.")
    return " ".join(words)


def interval(figure: Figure) -> str:
    """`58.0 to 66.0 %`; empty without an interval, or if all values are the same."""
    if not figure.bounded or figure.low == figure.high:
        return ""
    return f"{100 * figure.low:.1f} to {percent(figure.high)}"


def gap(figure: Figure) -> str:
    """`+3.5  (−2.9 to +9.9)`: a difference in percentage points."""
    return middle(figure) + (f"  ({ends(figure)})" if figure.bounded else "")
