"""The process that imports weights for the app: it reads within limits of memory and time, and may be killed at any moment.

    python -m kdcore.models.importing.process

Standard input is one request as JSON, the arguments of `import_weights`; standard output is one reply as JSON: {"name",
"classes", "image_size", "notes"}, or {"refused"} with {"lacks", "outputs"} where something must be given.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

CPU_SECONDS = 300  # of all threads together
MEMORY_BYTES = 8 << 30  # beside the files: of the libraries and their threads
COPIES = 4  # of the tensors in memory: as read, as float32, in the network, as written


def main() -> None:
    """Answer the one request."""
    request = json.load(sys.stdin)
    sources = [Path(each) for each in request.pop("sources")]
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is not a reply
    _limit(MEMORY_BYTES + COPIES * sum(map(_size, sources)))
    json.dump(_reply(sources, request), replies)
    replies.close()


def _reply(sources: list[Path], request: dict[str, Any]) -> dict[str, Any]:
    from kdcore.errors import UserError
    from kdcore.models import importing

    notes: list[str] = []
    out = Path(request.pop("out"))
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in request.items()
    }
    try:
        imported = importing.import_weights(sources, **given, out=out, report=notes.append)
    except importing.NotGiven as error:
        return {"refused": str(error), "lacks": error.lacks, "outputs": error.outputs}
    except UserError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": "These weights need more memory than an import may use. Use those of a smaller network."}
    return {
        "name": imported.name, "classes": len(imported.classes), "image_size": imported.image_size, "notes": notes,
    }  # fmt: skip


def _size(source: Path) -> int:
    files = source.iterdir() if source.is_dir() else [source]
    return sum(file.stat().st_size for file in files if file.is_file())


def _limit(memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
