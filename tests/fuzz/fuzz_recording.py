"""Fuzz target `recording`: files of recordings; the messages of an input are parts of one file.

Whatever was found is found again after a repair, which makes the file sound. A repair may find
more: it reads twice, and knows from the first reading which camera each stream is of.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness import main


class RecordingTarget:
    """Reached: the file was taken for a recording. Accepted: it held a message."""

    name = "recording"

    def __init__(self) -> None:
        from rankcast import errors, recordings
        from support.intake import check_line

        self.reached = self.accepted = 0
        self._check_line, self._errors, self._recordings = check_line, errors, recordings
        self._folder = Path(tempfile.mkdtemp(prefix="rankcast-fuzz-"))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)

    def run(self, messages: list[bytes]) -> None:
        """Read the file, decode it, repair it and read it again."""
        for path in self._folder.iterdir():
            path.unlink()
        path = self._folder / "a.mcap"
        path.write_bytes(b"".join(messages))
        try:
            found = self._read(path)
        except self._errors.RecordingError as exc:
            self._check_line(exc)
            return
        self.reached += 1
        self.accepted += bool(found)
        try:
            self._decode(path)
            self._recordings.survey_recording(path)
            report = self._recordings.repair_segment(path)
        except self._errors.RankcastError as exc:
            self._check_line(exc)
            return
        with self._recordings.SegmentReader(path) as reader:
            again = [_facts(message) for message in reader]
            assert reader.complete
            assert not reader.damage
        assert report.messages == len(again)
        rest = iter(again)
        assert all(facts in rest for facts in found), "a repair lost or moved a message"
        assert self._recordings.repair_segment(path).kept is None

    def _read(self, path: Path) -> list[tuple[Any, ...]]:
        with self._recordings.SegmentReader(path) as reader:
            found = [_facts(message) for message in reader]
            assert sum(len(facts[-1]) for facts in found) <= reader.size
        return found

    def _decode(self, path: Path) -> None:
        with self._recordings.Recording(path) as recording:
            for frame in recording:
                assert frame.pixels.size
            for frame in recording.frames(start=0.05, end=0.1):
                assert frame.pixels.size


def _facts(message: Any) -> tuple[Any, ...]:
    return (
        message.camera, message.kind, message.sequence, message.t_recorded_ns,
        message.t_capture_ns, bytes(message.data),
    )  # fmt: skip


if __name__ == "__main__":
    main(RecordingTarget)
