"""CameraTrack: what a recorder knows of one camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rankcast.errors import NeedKeyframe
from rankcast.recordings.segment import SegmentFile
from rankcast.wire import Chain, Header, Kind


class CameraTrack:
    """The place, the counts and the clocks of one camera's frames in a recording."""

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.segment: SegmentFile | None = None
        """Where its predicted frames go; None before a key frame."""
        self.written_s = float("-inf")
        """When its last frame was recorded, on the clock of the recorder."""
        self.recorded = 0
        self.lost: Counter[str] = Counter()
        self.ledger: Mapping[str, Any] = {}
        """The counts that were written last."""
        self._chain = Chain()
        self._stream_id = b""
        self._sequence = -1
        self._utc_minus_mono_ns: int | None = None

    def continues(self, header: Header) -> bool:
        """Return whether a predicted frame belongs to the stream of the frame before it."""
        return header.stream_id == self._stream_id

    def add(self, header: Header) -> bool:
        """Note a picture that was recorded; return whether it is a frame that was not there yet."""
        full = self._completed(header)
        if full is not None:
            self._chain.add(full)
            self._utc_minus_mono_ns = full.t_capture_utc_ns - full.t_capture_mono_ns
        again = header.stream_id == self._stream_id and header.sequence == self._sequence
        self._stream_id, self._sequence = header.stream_id, header.sequence
        if header.kind is Kind.REFERENCE and again:
            return False
        self.recorded += 1
        return True

    def capture_utc_ns(self, header: Header) -> int | None:
        """Return the UTC time of capture; None if the header leaves it to a frame that is lost."""
        full = self._completed(header)
        if full is not None:
            return full.t_capture_utc_ns
        if self._utc_minus_mono_ns is None or not self.continues(header):
            return None
        return max(0, header.t_capture_mono_ns + self._utc_minus_mono_ns)

    def _completed(self, header: Header) -> Header | None:
        try:
            return self._chain.complete(header)
        except NeedKeyframe:
            return None
