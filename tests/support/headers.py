"""Headers of packets: one with every field, and strategies of all that a parser returns."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rankcast.wire import Header, Kind
from support import packets

UINT64 = 2**64 - 1

FULL = Header(
    kind=Kind.PREDICTED,
    stream_id=packets.STREAM_ID,
    sequence=UINT64,
    frame=UINT64 - 1,
    ref_sequence=UINT64 - 2,
    layer=255,
    codec=65_535,
    params=(1, -2, 0.5),
    shape=(3, 2, 4),
    dtype_bytes=2,
    significant_bits=12,
    cfa=4,
    t_capture_mono_ns=1,
    utc_drift_ns=-(2**63),
    device_frame_id=3,
    device_time_ns=4,
    squared_error=5,
    energy_ppb=10**9,
    rank=(1, 65_535),
    model_id=b"m" * 32,
    checksum=2**32 - 1,
    meta={"none": None, "yes": True, "n": -1, "x": 1.5, "text": "Größe", "raw": b"\0\xff"},
    x={"later": {"nested": (1, 2)}},
)

ELEMENTS = (*packets.FIELDS, *packets.PICTURE)

uint64 = st.integers(0, UINT64)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), UINT64)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)

small_maps = st.dictionaries(st.text(max_size=10), scalars, max_size=6)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Headers as a parser returns them: those of predicted frames are short."""
    kind = draw(st.sampled_from(Kind))
    predicted = kind is Kind.PREDICTED
    header = Header(
        kind=kind,
        stream_id=draw(st.binary(min_size=8, max_size=8)),
        sequence=draw(uint64),
        frame=draw(uint64),
        ref_sequence=draw(uint64) if predicted else None,
        t_capture_mono_ns=draw(uint64),
        t_capture_utc_ns=0 if predicted else draw(uint64),
        utc_drift_ns=draw(st.integers(-(2**63), 2**63 - 1)) if predicted else None,
        device_frame_id=draw(st.none() | uint64),
        device_time_ns=draw(st.none() | uint64),
        squared_error=draw(st.none() | st.integers(0, UINT64 - 1)),
        energy_ppb=draw(st.none() | st.integers(0, 10**9)),
        checksum=draw(st.none() | st.integers(0, 2**32 - 1)),
        meta=draw(small_maps),
        x=draw(small_maps),
    )
    if not kind.is_picture:
        return header
    params = draw(st.lists(st.integers(-(2**63), UINT64) | st.floats(), max_size=8))
    header = replace(header, params=tuple(params))
    if predicted and draw(st.booleans()):
        return header
    dtype_bytes = draw(st.sampled_from([1, 2]))
    sides = st.integers(1, 300)
    return replace(
        header,
        layer=draw(st.integers(0, 255)),
        codec=draw(st.integers(0, 65_535)),
        shape=draw(st.tuples(sides, sides) | st.tuples(sides, sides, st.integers(1, 64))),
        dtype_bytes=dtype_bytes,
        significant_bits=draw(st.integers(0, 8 * dtype_bytes)),
        cfa=draw(st.integers(0, 4)),
        rank=tuple(draw(st.lists(st.integers(0, 65_535), max_size=64))),
        model_id=draw(st.none() | st.binary(min_size=1, max_size=32)),
    )
