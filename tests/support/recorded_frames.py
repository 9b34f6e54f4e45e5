"""The frames of a recording that is still being written."""

from __future__ import annotations

from pathlib import Path

from rankcast.recordings import RecordingReader


def recorded(file: Path) -> list[int]:
    """Return the sequences of the frames in a recording, in their order, references left out."""
    if not file.exists() or not file.stat().st_size:
        return []
    with RecordingReader(file) as reader:
        messages = [message for message in reader if message.kind == "frames"]
    return [message.sequence for message in messages if message.data[8] in (0, 1)]
