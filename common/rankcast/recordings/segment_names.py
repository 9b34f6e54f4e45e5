"""Names of the segments of a recording: FILE.mcap, FILE-0001.mcap, FILE-0002.mcap ..."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RecordingError

SUFFIX: Final = ".mcap"
_NUMBER: Final = re.compile(r"-(\d{4,12})")


def segment_path(path: Path, number: int) -> Path:
    """Return the file of a segment of the recording `path`; segment 0 is `path` itself."""
    return path if number == 0 else path.with_name(f"{path.stem}-{number:04d}{path.suffix}")


def segments_of(path: Path) -> list[tuple[int, Path]]:
    """Return the numbers and files of all segments of the recording `path`, in their order.

    Raises
    ------
    RecordingError
        If the folder cannot be listed.
    """
    found = []
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                number = _number_of(entry.name, path)
                if number is not None and entry.is_file():
                    found.append((number, path.with_name(entry.name)))
    except OSError as exc:
        raise RecordingError(f"{path.parent}: cannot be listed: {os_reason(exc)}") from exc
    return sorted(found)


def _number_of(name: str, path: Path) -> int | None:
    if name == path.name:
        return 0
    if not name.startswith(path.stem) or not name.endswith(path.suffix):
        return None
    number = _NUMBER.fullmatch(name[len(path.stem) : len(name) - len(path.suffix)])
    if number is None or int(number[1]) == 0 or name != segment_path(path, int(number[1])).name:
        return None
    return int(number[1])
