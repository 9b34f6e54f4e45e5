"""Names of the segments of a recording: FILE.mcap, FILE-0001.mcap, FILE-0002.mcap ..."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RecordingError
from rankcast.recordings.segment import mcap_format as mcap

SUFFIX: Final = ".mcap"
_NO_PROGRAM: Final = bytes(4)
"""The empty name of a program in a header."""
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
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as exc:
        raise RecordingError(f"{path.parent}: cannot be listed: {os_reason(exc)}") from exc
    return sorted(found)


def is_segment(path: Path) -> bool:
    """Return whether a file says that it is a recording of Rankcast.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    start = mcap.file_start("")[: -len(_NO_PROGRAM)]
    with path.open("rb") as file:
        head = file.read(len(start))
    # The length of the header differs with the name of the program.
    profile = start[len(mcap.MAGIC) + mcap.RECORD_HEAD.size :]
    return head.startswith(mcap.MAGIC) and len(head) == len(start) and head.endswith(profile)


def _number_of(name: str, path: Path) -> int | None:
    if name == path.name:
        return 0
    if not name.startswith(path.stem) or not name.endswith(path.suffix):
        return None
    number = _NUMBER.fullmatch(name[len(path.stem) : len(name) - len(path.suffix)])
    if number is None or int(number[1]) == 0 or name != segment_path(path, int(number[1])).name:
        return None
    return int(number[1])
