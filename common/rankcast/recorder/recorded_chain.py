"""RecordedChain: whether a frame of a camera builds on frames that were recorded."""

from __future__ import annotations

from typing import Final

from rankcast.wire import Header, Kind

_NOTHING: Final[frozenset[int]] = frozenset()


class RecordedChain:
    """The frames of one camera that its next frame may be predicted from.

    Notes
    -----
    The body of a packet, not its header, says which picture a decoder keeps: after a predicted
    frame it is that frame, or still the one that it was predicted from.
    """

    def __init__(self) -> None:
        self._stream_id = b""
        self._held = _NOTHING

    @property
    def broken(self) -> bool:
        """True if only a key frame can be recorded next."""
        return not self._held

    def continues(self, header: Header) -> bool:
        """Return whether a frame decodes after those that were added."""
        if header.kind.is_start:
            return True
        if header.stream_id != self._stream_id or header.ref_sequence not in self._held:
            self.break_off()
            return False
        return True

    def add(self, header: Header) -> None:
        """Note a frame that was recorded."""
        self._stream_id = header.stream_id
        if header.kind is Kind.PREDICTED and header.ref_sequence is not None:
            self._held = frozenset((header.sequence, header.ref_sequence))
        else:
            self._held = frozenset((header.sequence,))

    def break_off(self) -> None:
        """Note that a frame was lost."""
        self._held = _NOTHING
