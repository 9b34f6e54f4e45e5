"""The stream of one camera: puts packets in order, decodes them and accounts for every one."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from rankcast.decoder import Decoder, frame_of
from rankcast.errors import NeedKeyframe, WireError
from rankcast.frame import Frame
from rankcast.ledger import (
    NETWORK_GAP,
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    WAITING_FOR_KEYFRAME,
    Ledger,
)
from rankcast.status import Status, parse_status
from rankcast.wire import Kind, Limits, Packet

log = logging.getLogger(__name__)

COMPLAINT_INTERVAL_S = 1.0
"""A flood of bad packets must not become a flood of log lines."""


class CameraStream:
    """Everything a receiver knows about one camera.

    Parameters
    ----------
    camera : str
    limits : Limits
    ledger : Ledger
        Published frames enter it, frames that were handed on pass, the rest is lost with a cause.
    models : Path, optional
        Folder of the model files that packets name.
    """

    def __init__(
        self, camera: str, limits: Limits, ledger: Ledger, models: Path | None = None
    ) -> None:
        self.camera = camera
        self.status: Status | None = None
        self.ended = False
        self.stream_ids: list[bytes] = []
        self._limits = limits
        self._ledger = ledger
        self._models = models
        self._decoder = Decoder(limits, models=models)
        self._waiting: list[Packet] = []
        self._stream_id = b""
        self._next_sequence: int | None = None
        self._refused_unnamed = 0
        self._complained = float("-inf")

    def refuse(self, error: WireError) -> None:
        """Count a packet that could not even be parsed.

        It has no sequence: the gap that it leaves is put down to it once the next one shows it.
        """
        self._refused_unnamed += 1
        self._complain(error)

    def accept(self, packet: Packet) -> bool:
        """Account for the place of `packet` in the stream; a picture waits for `decode`.

        Returns
        -------
        bool
            True for a picture that is new; False for status, end, duplicates and old ones.

        Raises
        ------
        WireError
            If it is a status or end with a broken body.
        """
        header = packet.header
        status = None if header.kind.is_picture else parse_status(packet)
        if header.stream_id != self._stream_id:
            self._begin(header.stream_id)
        if status is not None:
            self.status = status
            self._advance(status.published)
            self.ended = header.kind is Kind.END
            return False
        if self._next_sequence is not None and header.sequence < self._next_sequence:
            log.debug("%s: frame %d came again or late", self.camera, header.sequence)
            return False
        self._advance(header.sequence)
        self._next_sequence = header.sequence + 1
        self._ledger.enter()
        if header.kind is Kind.KEY:
            # What came before it need not be decoded, and not be held either.
            self._ledger.lose(SKIPPED_AS_OLD, len(self._waiting))
            self._waiting.clear()
        self._waiting.append(packet)
        self.ended = False
        return True

    def decode(self) -> Frame | None:
        """Decode the accepted packets in order and return the newest picture.

        Pictures that were decoded only because newer ones are predicted from them count as
        skipped.
        """
        newest: Frame | None = None
        packets, self._waiting = self._waiting, []
        for packet in packets:
            try:
                pixels = self._decoder.decode_packet(packet)
            except NeedKeyframe as exc:
                log.debug("%s: %s", self.camera, exc)
                self._ledger.lose(WAITING_FOR_KEYFRAME)
                continue
            except WireError as exc:
                self._ledger.lose(REFUSED_PACKET)
                self._complain(exc)
                continue
            if newest is not None:
                self._ledger.lose(SKIPPED_AS_OLD)
            newest = frame_of(packet, pixels, self.camera)
        if newest is not None:
            self._ledger.passed()
        return newest

    def _begin(self, stream_id: bytes) -> None:
        if self._stream_id:
            log.info("%s: the sender started again", self.camera)
        self._stream_id = stream_id
        self.stream_ids.append(stream_id)
        # A receiver that runs for years beside a sender that restarts: the last ones suffice.
        del self.stream_ids[:-64]
        self._decoder = Decoder(self._limits, models=self._models)
        self._ledger.lose(SKIPPED_AS_OLD, len(self._waiting))
        self._waiting.clear()
        self._next_sequence = None
        self._refused_unnamed = 0
        self.status = None

    def _advance(self, sequence: int) -> None:
        """Count what is missing before `sequence`; the first one seen is where we joined."""
        if self._next_sequence is not None and sequence > self._next_sequence:
            gap = sequence - self._next_sequence
            refused = min(gap, self._refused_unnamed)
            self._ledger.enter(gap)
            self._ledger.lose(REFUSED_PACKET, refused)
            self._ledger.lose(NETWORK_GAP, gap - refused)
        self._refused_unnamed = 0
        self._next_sequence = max(sequence, self._next_sequence or 0)

    def _complain(self, error: WireError) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_INTERVAL_S:
            self._complained = now
            log.warning("%s: refused a packet: %s", self.camera, error)
