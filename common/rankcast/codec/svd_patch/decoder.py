"""The decoding half of `svd-patch`; trusts nothing in header parameters and body."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rankcast.codec.svd_patch.basis import table_basis
from rankcast.codec.svd_patch.engine import Engine
from rankcast.codec.svd_patch.geometry import Geometry, Layout, geometry_of
from rankcast.codec.svd_patch.layout import Canvas, to_pixels
from rankcast.codec.svd_patch.loop_filter import (
    FILTER_SCALE,
    MAX_INDEX,
    MAX_SHIFT,
    is_loop_filter,
)
from rankcast.codec.svd_patch.payload import read_bases, split_payload
from rankcast.codec.svd_patch.picture import Picture
from rankcast.codec.svd_patch.reference import read_reference, write_reference
from rankcast.codec.svd_patch.step import MAX_PLANE_STEP, MIN_PLANE_STEP
from rankcast.errors import ChecksumMismatch, NeedKeyframe, PayloadError
from rankcast.frame import Pixels
from rankcast.wire import Header, Kind, Limits, pack

_MOST_BYTES: Final = 1 << 16
"""And a byte a sample more than the samples have. Noise at the finest step takes 1.45 bytes a
sample of 8 bits and 2.65 of 16; what hostile bytes cost grows with their number."""


class SvdPatchDecoder:
    """Rebuilds pictures; holds the one picture that a predicted frame may need."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._engine: Engine | None = None
        self._canvas: Canvas | None = None
        self._stream_id = b""
        self._reference: Picture | None = None
        self._reference_header: Header | None = None
        self._spare: Picture | None = None

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        geometry, step, loop_filter = _parameters(header)
        most = _MOST_BYTES + header.samples * (1 + header.dtype_bytes)
        if len(body) > most:
            raise PayloadError(f"got {len(body)} bytes, the limit of {header.shape} is {most}")
        if header.kind is Kind.REFERENCE:
            _, picture = self._prepare(geometry)
            read_reference(body, picture)
            return self._finish(header, geometry, picture, kept=True)
        payload = split_payload(body, geometry)
        key = header.kind is Kind.KEY
        reference = None if key else self._reference_of(header, geometry)
        if key and payload.kept is False:
            raise PayloadError("a key frame that is no reference")
        if not key and payload.bases:
            raise PayloadError("a predicted frame with factor matrices")
        if key and payload.table_again:
            raise PayloadError("a key frame that goes back to the table")
        engine, picture = self._prepare(geometry)
        picture.start_from(reference)
        if key:
            picture.bases = read_bases(payload.bases, len(geometry.planes), geometry.deep)
        if payload.table_again:
            picture.bases = [table_basis(geometry.deep)] * len(geometry.planes)
        if not engine.read(payload.slices, payload.borders, picture, reference, step, loop_filter):
            raise PayloadError("a slice ends early or goes on after its last patch")
        return self._finish(header, geometry, picture, kept=payload.kept)

    def reference_packet(self) -> bytes:
        """Return a packet from which another decoder goes on as this one would.

        Returns
        -------
        bytes
            A complete packet of kind reference: the latest picture that later ones may be
            predicted from, under the number of its frame.

        Raises
        ------
        NeedKeyframe
            If no picture is held.
        """
        picture, header = self._reference, self._reference_header
        if picture is None or header is None:
            raise NeedKeyframe("this decoder holds no picture to go on from")
        header = replace(
            header, kind=Kind.REFERENCE, ref_sequence=None, checksum=picture.checksum()
        )
        return pack(header, write_reference(picture))

    def _finish(
        self, header: Header, geometry: Geometry, picture: Picture, *, kept: bool
    ) -> Pixels:
        """Check the planes, keep a reference, and return the pixels."""
        if header.checksum is not None and picture.checksum() != header.checksum:
            if header.kind is Kind.PREDICTED:
                # What it was predicted from may be wrong too: begin again.
                self._reference = None
            raise ChecksumMismatch(
                f"frame {header.sequence} was rebuilt with another checksum than it was coded with"
            )
        picture.sequence = header.sequence
        if kept:
            self._spare, self._reference = self._reference, picture
            self._stream_id = header.stream_id
            self._reference_header = header
        assert self._canvas is not None
        return to_pixels(picture.planes, geometry, header.dtype, self._canvas, fresh=True)

    def _reference_of(self, header: Header, geometry: Geometry) -> Picture:
        held = self._reference
        if (
            held is None
            or held.sequence != header.ref_sequence
            or self._stream_id != header.stream_id
        ):
            has = "nothing" if held is None else f"frame {held.sequence}"
            raise NeedKeyframe(
                f"frame {header.sequence} needs frame {header.ref_sequence}, this decoder has {has}"
            )
        if held.geometry != geometry:
            raise PayloadError(
                f"frame {header.sequence} is predicted from a picture of shape "
                f"{held.geometry.shape}, it is {geometry.shape}"
            )
        return held

    def _prepare(self, geometry: Geometry) -> tuple[Engine, Picture]:
        if self._engine is None or self._engine.geometry != geometry:
            self._engine = Engine(geometry)
            self._canvas = Canvas(geometry)
            self._spare = None
        if self._spare is None or self._spare.geometry != geometry:
            self._spare = Picture(geometry)
        return self._engine, self._spare


def _parameters(header: Header) -> tuple[Geometry, int, int]:
    params = header.params
    if len(params) != 4 or any(type(value) is not int for value in params):
        raise PayloadError(f"got parameters {params!r:.60}, want layout, step, rank and filter")
    layout, step, rank, loop_filter = (int(value) for value in params)
    if not 0 <= layout <= max(Layout):
        raise PayloadError(f"got layout {layout}, want 0 to {max(Layout)}")
    if not MIN_PLANE_STEP <= step <= MAX_PLANE_STEP:
        raise PayloadError(f"got step {step}, want {MIN_PLANE_STEP} to {MAX_PLANE_STEP}")
    if not 1 <= rank <= 8:
        raise PayloadError(f"got rank {rank}, want 1 to 8")
    if not is_loop_filter(loop_filter):
        raise PayloadError(
            f"got loop filter {loop_filter}, want an index of 0 to {MAX_INDEX} plus "
            f"{FILTER_SCALE} times a shift of 0 to {MAX_SHIFT}"
        )
    geometry = geometry_of(Layout(layout), header.shape or (), header.dtype_bytes)
    return geometry, step, loop_filter
