"""Chain: what the header of a predicted frame shares with that of its reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from rankcast.errors import NeedKeyframe
from rankcast.wire.header import Header, Kind

_PICTURE: Final = (
    "layer", "codec", "shape", "dtype_bytes", "significant_bits", "cfa", "rank", "model_id",
)  # fmt: skip
_PLAIN: Final[dict[str, Any]] = {
    name: getattr(Header(Kind.STATUS, b"", 0), name) for name in _PICTURE
}
_HALF: Final = 1 << 63


class Chain:
    """The latest headers of one stream, from a key frame on.

    Shared fields do not travel again: an encoder shortens the headers of predicted frames, a
    decoder completes them. Both call `add` for each picture that they have coded or decoded.
    """

    def __init__(self) -> None:
        self._held: dict[int, Header] = {}
        """Of the frames that the next one may be predicted from, by their sequences."""

    def add(self, header: Header) -> None:
        """Record a complete header: later frames may be predicted from its picture."""
        # The body says whether the frame or the one that it is predicted from is the reference.
        reference = self._reference_of(header)
        before = {} if reference is None else {reference.sequence: reference}
        self._held = before | {header.sequence: header}

    def shorten(self, header: Header) -> Header:
        """Return the header to send: that of a predicted frame without what its reference has.

        Raises
        ------
        ValueError
            If its reference is not of this chain, or has params and this frame has none: a defect
            of the encoder.
        """
        if header.kind is not Kind.PREDICTED:
            return header
        reference = self._reference_of(header)
        if reference is None:
            raise ValueError(f"frame {header.sequence} is predicted from one of no chain")
        if reference.params and not header.params:
            raise ValueError(
                f"frame {header.sequence} has no params, its reference has {reference.params}"
            )
        drift_ns = (_utc_minus_mono_ns(header) - _utc_minus_mono_ns(reference) + _HALF) % (
            2 * _HALF
        )
        short: dict[str, Any] = {"t_capture_utc_ns": 0, "utc_drift_ns": drift_ns - _HALF}
        if header.params == reference.params:
            short["params"] = ()
        if all(getattr(header, name) == getattr(reference, name) for name in _PICTURE):
            short |= _PLAIN
        return replace(header, **short)

    def complete(self, header: Header) -> Header:
        """Return a header with all its fields.

        Raises
        ------
        NeedKeyframe
            If it is short, and its reference is not of this chain.
        """
        if header.utc_drift_ns is None:
            return header
        reference = self._reference_of(header)
        if reference is None:
            raise NeedKeyframe(
                f"frame {header.sequence} is predicted from frame {header.ref_sequence}, "
                "which has not been decoded"
            )
        utc_ns = header.t_capture_mono_ns + _utc_minus_mono_ns(reference) + header.utc_drift_ns
        full: dict[str, Any] = {"t_capture_utc_ns": utc_ns % (2 * _HALF), "utc_drift_ns": None}
        if not header.params:
            full["params"] = reference.params
        if header.codec is None:
            full |= {name: getattr(reference, name) for name in _PICTURE}
        return replace(header, **full)

    def _reference_of(self, header: Header) -> Header | None:
        """Return the header of the frame that this one is predicted from, if it is held."""
        if header.ref_sequence is None:
            return None
        reference = self._held.get(header.ref_sequence)
        same = reference is not None and reference.stream_id == header.stream_id
        return reference if same else None


def _utc_minus_mono_ns(header: Header) -> int:
    return header.t_capture_utc_ns - header.t_capture_mono_ns
