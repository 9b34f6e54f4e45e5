"""RecordingOptions: how a recording is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from rankcast.errors import SettingsError
from rankcast.recordings.retention import RecordingLimits


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """How a recording is written.

    Raises
    ------
    SettingsError
        If a value is out of range.
    """

    segment_bytes: int = 512 * 1024 * 1024
    """A new segment begins with the first key frame after this size."""
    segment_s: float = 600.0
    """A new segment begins with the first key frame after this time."""
    sync_frames: int = 0
    """Wait for the disk after this many frames; 0: once a second, in another thread."""
    limits: RecordingLimits = field(default_factory=RecordingLimits)

    def __post_init__(self) -> None:
        if self.segment_bytes < 1 or not self.segment_s > 0 or self.sync_frames < 0:
            raise SettingsError(
                f"got segments of {self.segment_bytes} bytes or {self.segment_s:g} s and a sync "
                f"every {self.sync_frames} frames: want sizes above 0, and 0 frames or more"
            )
        if 0 < self.limits.max_bytes < 2 * self.segment_bytes:
            raise SettingsError(
                f"got segments of {self.segment_bytes} bytes and a limit of "
                f"{self.limits.max_bytes}: want segments of at most half the limit, because the "
                "one that is written always stays"
            )
