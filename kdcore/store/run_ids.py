"""Ids of runs: dated, so that they sort by time; which folders are runs, and when they were created."""

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

STAMP = "%Y%m%d-%H%M%S"
DATED = re.compile(r"20\d{6}-[0-2]\d[0-5]\d[0-5]\d-")
SET_BACK = 26 * 3600.0  # seconds; an id that is further ahead is a mistake of its own
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")  # file systems allow no longer names


def named(stamp: str, name: str) -> str:
    """An id of a run with this date and time, the name of its recipe and a random number of 32 bits."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "run"
    return f"{stamp}-{slug}-{secrets.token_hex(4)}"


def newest(ids: list[str]) -> str:
    """The latest date and time in these ids; empty where they have none."""
    return max((run_id[:15] for run_id in ids if DATED.match(run_id)), default="")


def not_before(latest: str) -> str:
    """The present date and time as in an id, or a second after `latest` where the clock was set back by less than a day."""
    now = time.strftime(STAMP)
    if latest <= now:
        return now
    following = time.mktime(time.strptime(latest, STAMP)) + 1
    return time.strftime(STAMP, time.localtime(following)) if following - time.time() < SET_BACK else now


def is_run(folder: str) -> bool:
    """Whether a folder has a recipe or events. One without read permission counts, so that it is reported."""
    for name in ("recipe.yaml", "events.jsonl"):
        try:
            os.lstat(f"{folder}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return True
        return True
    return False


def created_at(folder: Path) -> float:
    """When a run or study was created, in seconds since 1970: from its name, else from its last change."""
    with suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(folder.name[:15], STAMP))
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
