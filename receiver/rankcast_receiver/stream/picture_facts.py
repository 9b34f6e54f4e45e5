"""PictureFacts: what is known of a picture without its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rankcast.decoder import coding_of
from rankcast.frame import CFA_PATTERNS, Coding, Frame, Scalar
from rankcast.wire import Packet


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """The newest picture of a camera, decoded or not."""

    stream: str
    """``main``, or the name of a substream."""
    stream_id: bytes
    sequence: int
    coding: Coding
    shape: tuple[int, ...]
    dtype: str
    """``uint8`` or ``uint16``."""
    significant_bits: int
    cfa: str
    meta: Mapping[str, Scalar]
    t_capture_mono_ns: int
    """On the clock of its sender."""
    t_capture_here_ns: int | None
    """On the monotonic clock of this machine; None if unknown."""
    clock_error_ns: int


def facts_of_frame(frame: Frame) -> PictureFacts:
    """Return what is known of a decoded picture."""
    assert frame.coding is not None
    return PictureFacts(
        stream=frame.stream,
        stream_id=frame.stream_id,
        sequence=frame.sequence,
        coding=frame.coding,
        shape=frame.pixels.shape,
        dtype=frame.pixels.dtype.name,
        significant_bits=frame.bits,
        cfa=frame.cfa,
        meta=frame.meta,
        t_capture_mono_ns=frame.t_capture_mono_ns,
        t_capture_here_ns=frame.t_capture_here_ns,
        clock_error_ns=frame.clock_error_ns,
    )


def facts_of_packet(
    packet: Packet, stream: str, t_capture_here_ns: int | None, clock_error_ns: int
) -> PictureFacts:
    """Return what the complete header of a packet says of its picture."""
    header = packet.header
    return PictureFacts(
        stream=stream,
        stream_id=header.stream_id,
        sequence=header.sequence,
        coding=coding_of(packet),
        shape=header.shape or (),
        dtype=header.dtype.name,
        significant_bits=header.significant_bits or 8 * header.dtype_bytes,
        cfa=CFA_PATTERNS[header.cfa],
        meta=header.meta,
        t_capture_mono_ns=header.t_capture_mono_ns,
        t_capture_here_ns=t_capture_here_ns,
        clock_error_ns=clock_error_ns,
    )
