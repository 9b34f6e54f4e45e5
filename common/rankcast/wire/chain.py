"""Chain: what the headers of predicted frames share with that of their key frame."""

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


class Chain:
    """The newest key frame of one stream and the frames that go back to it.

    What a predicted frame shares with its key frame, or the params with the frame that it is
    predicted from, does not travel again: an encoder shortens headers, a decoder completes them.
    Both call `add` for each picture that they have coded or decoded.
    """

    def __init__(self) -> None:
        self._key: Header | None = None
        self._held: dict[int, tuple[int | float, ...]] = {}
        """Params of the frames that the next one may be predicted from, by their sequences."""

    def add(self, header: Header) -> None:
        """Record a complete header: later frames may be predicted from its picture."""
        if header.kind is Kind.KEY:
            self._key = header
        # The body says whether the frame or the one that it is predicted from is the reference.
        held = {n: params for n, params in self._held.items() if n == header.ref_sequence}
        self._held = held | {header.sequence: header.params}

    def shorten(self, header: Header) -> Header:
        """Return the header to send: that of a predicted frame without what a decoder knows.

        Raises
        ------
        ValueError
            If the frame that it is predicted from is not of this chain, or has params and this
            one has none: a defect of the encoder.
        """
        if header.kind is not Kind.PREDICTED:
            return header
        found = self._look_up(header)
        if found is None:
            raise ValueError(f"frame {header.sequence} is predicted from one of no chain")
        key, params = found
        if params and not header.params:
            raise ValueError(f"frame {header.sequence} has no params, want {len(params)}")
        drift_ns = (_utc_minus_mono_ns(header) - _utc_minus_mono_ns(key) + (1 << 63)) % (1 << 64)
        short: dict[str, Any] = {"t_capture_utc_ns": 0, "utc_drift_ns": drift_ns - (1 << 63)}
        if header.params == params:
            short["params"] = ()
        if all(getattr(header, name) == getattr(key, name) for name in _PICTURE):
            short |= _PLAIN
        return replace(header, **short)

    def complete(self, header: Header) -> Header:
        """Return a header with all its fields.

        Raises
        ------
        NeedKeyframe
            If it is short, and the frame that it is predicted from is not of this chain.
        """
        if header.utc_drift_ns is None:
            return header
        found = self._look_up(header)
        if found is None:
            raise NeedKeyframe(
                f"frame {header.sequence} is predicted from frame {header.ref_sequence}, "
                "which has not been decoded"
            )
        key, params = found
        utc_ns = header.t_capture_mono_ns + _utc_minus_mono_ns(key) + header.utc_drift_ns
        full: dict[str, Any] = {"t_capture_utc_ns": utc_ns % (1 << 64), "utc_drift_ns": None}
        if not header.params:
            full["params"] = params
        if header.codec is None:
            full |= {name: getattr(key, name) for name in _PICTURE}
        return replace(header, **full)

    def _look_up(self, header: Header) -> tuple[Header, tuple[int | float, ...]] | None:
        """Return the key frame of a predicted one and the params of its reference, if held."""
        key = self._key
        if key is None or key.stream_id != header.stream_id or header.ref_sequence is None:
            return None
        params = self._held.get(header.ref_sequence)
        return None if params is None else (key, params)


def _utc_minus_mono_ns(header: Header) -> int:
    return header.t_capture_utc_ns - header.t_capture_mono_ns
