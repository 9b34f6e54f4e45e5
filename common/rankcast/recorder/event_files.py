"""Names of the files of events: FILE-20261129T161500.123Z-CAUSE.mcap."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import RecordingError

_NUMBER: Final = re.compile(r"-\d{4,12}$")
_REST: Final = re.compile(r"-\d{8}T\d{6}\.\d{3}Z-[a-z0-9_]{1,32}(-\d{4,12})?")


def event_path(path: Path, t_utc_ns: int, cause: str) -> Path:
    """Return the file of an event of the recording `path`, named by time and cause."""
    moment = datetime.fromtimestamp(t_utc_ns // 10**9, UTC)
    milliseconds = t_utc_ns // 10**6 % 1000
    return path.with_name(
        f"{path.stem}-{moment:%Y%m%dT%H%M%S}.{milliseconds:03d}Z-{cause}{path.suffix}"
    )


def newest_event(files: Sequence[Path]) -> list[Path]:
    """Return the segments of the newest event among `event_files`."""
    if not files:
        return []
    newest = _NUMBER.sub("", files[-1].stem)
    return [file for file in files if _NUMBER.sub("", file.stem) == newest]


def event_files(path: Path) -> list[Path]:
    """Return the files of all events of the recording `path`, the oldest first.

    Raises
    ------
    RecordingError
        If the folder cannot be listed.
    """
    found = []
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                name = entry.name
                rest = name[len(path.stem) : len(name) - len(path.suffix)]
                named = name.startswith(path.stem) and name.endswith(path.suffix)
                if named and _REST.fullmatch(rest) and entry.is_file():
                    found.append((entry.stat().st_mtime_ns, path.with_name(name)))
    except OSError as exc:
        raise RecordingError(f"{path.parent}: cannot be listed: {os_reason(exc)}") from exc
    return [file for _, file in sorted(found)]
