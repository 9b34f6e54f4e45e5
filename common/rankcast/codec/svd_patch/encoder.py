"""The encoding half of `svd-patch`."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.protocol import Coded
from rankcast.codec.svd_patch.balance import Balance
from rankcast.codec.svd_patch.basis import Basis, choose_basis, table_basis
from rankcast.codec.svd_patch.cut import is_cut
from rankcast.codec.svd_patch.engine import BIT_PRICE, KEY_BIT_PRICE, Engine
from rankcast.codec.svd_patch.fidelity import squares
from rankcast.codec.svd_patch.geometry import Geometry, Layout, geometry_of
from rankcast.codec.svd_patch.layout import Canvas, to_planes
from rankcast.codec.svd_patch.loop_filter import loop_filter_of
from rankcast.codec.svd_patch.options import EFFORTS, FULL_RANK, SvdPatchOptions
from rankcast.codec.svd_patch.payload import Payload, join_payload, write_bases
from rankcast.codec.svd_patch.picture import Picture
from rankcast.codec.svd_patch.psnr import CODING_SHARE
from rankcast.codec.svd_patch.rate import RateControl
from rankcast.codec.svd_patch.step import Subject, finest_useful_step
from rankcast.codec.svd_patch.tables import STEP_ONE
from rankcast.core import function
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame, Pixels, full_scale
from rankcast.numerics import Denoiser
from rankcast.wire import packed_meta_bytes

log = logging.getLogger(__name__)

_SQUARED_ERROR: Final = function("rk_svd_patch_squared_error")

CHECKSUM_EVERY: Final = 16
"""Frames from one checksum of the planes to the next; key frames always have one."""
_RECONSIDER_EVERY: Final = 8
"""Frames from one comparison of own factors with the table to the next: what they were made for may
have left the picture."""
_DEPTHS: Final = (8, 10, 12, 14, 16)
"""Bits of the cameras that there are."""
_HOT: Final = 1e-4
"""Share of samples beyond a depth that are taken for defects of the sensor."""
_TELLS_AFTER: Final = 300
"""Frames after which somebody who asked for `denoise` hears that it does nothing."""
_PSNR_PROMISE_DB: Final = 0.3
"""A frame whose PSNR is further below the one asked for is told of."""


class SvdPatchEncoder:
    """Codes pictures as patches of planes, predicted from the picture before where it pays."""

    def __init__(self, options: SvdPatchOptions) -> None:
        self.options = options
        self._rate = RateControl(options)
        self._key_wanted = True
        self._engine: Engine | None = None
        self._balance: Balance | None = None
        self._canvas: Canvas | None = None
        self._source: list[NDArray[np.uint16]] = []
        self._reference: Picture | None = None
        self._spare: Picture | None = None
        self._since_key = 0
        self._key_ns = 0
        self._bits = 0
        self._miss_told = False
        self._denoiser: Denoiser | None = None
        self._undenoised = 0

    def request_keyframe(self) -> None:
        """Make the next frame a key frame."""
        self._key_wanted = True

    def reconfigure(self, options: SvdPatchOptions) -> None:
        """Go on with other options from the next frame on.

        Rate, thread and key-frame settings change without a key frame; another colour
        format or number of significant bits starts with one.
        """
        old, self.options = self.options, options
        self._rate.reconfigure(options)
        if (old.psnr, old.colour, old.rank) != (options.psnr, options.colour, options.rank):
            self._miss_told = False
        if (old.colour, old.significant_bits) != (options.colour, options.significant_bits):
            self._key_wanted = True
            self._bits = 0

    def encode(self, frame: Frame, sequence: int) -> Coded:
        """Code one frame; see CodecEncoder."""
        pixels = frame.pixels
        bits = self.options.significant_bits
        if bits not in (0, 8) and pixels.dtype == np.uint8:
            raise UnsupportedImageError(
                f"got 8-bit samples with significant_bits={bits}, want 0: it is for 16-bit samples"
            )
        geometry = geometry_of(self._layout(frame), pixels.shape, pixels.dtype.itemsize)
        if self._engine is None or self._engine.geometry != geometry:
            self._prepare(geometry)
        canvas, reference = self._canvas, self._reference
        assert canvas is not None
        threads = self.options.threads
        to_planes(pixels, geometry, self._source, canvas, threads)
        self._bits = self._significant_bits(frame)
        key = self._wants_key(frame, reference)
        if key:
            reference = None
            # The old reference may be coded over: after a failure nothing rests on it.
            self._key_wanted = True
        kept = self.options.refs == 1 or key or self._since_key % 2 == 0
        subject = Subject(
            key=key,
            bits=max(self._bits, 8),
            peak=full_scale(pixels.dtype),
            samples=sum(plane.height * plane.width for plane in geometry.planes),
            grain=1 / (geometry.scale * STEP_ONE),
            t_ns=_capture_ns(frame),
            meta_bytes=packed_meta_bytes(frame.meta),
        )
        step = self._rate.propose(subject)
        self._denoise(step)
        while True:
            plane_step = round(step / subject.grain)
            picture, body = self._code(reference, plane_step, kept)
            error, energy = squares(pixels, picture.planes, geometry, canvas, threads)
            psnr = _psnr(error, pixels)
            better = self._rate.review(
                subject, len(body), psnr, lambda: self._ceiling_db(pixels, geometry)
            )
            if better is None:
                break
            step = better
        self._rate.sent(subject, len(body))
        self._tell_miss(subject, psnr, step, sequence, pixels, geometry)
        ref_sequence = None if reference is None else reference.sequence
        picture.sequence = sequence
        checked = key or self._since_key % CHECKSUM_EVERY == 0
        checksum = picture.checksum() if checked else None
        if kept:
            free = self._reference if picture is self._spare else self._spare
            self._reference, self._spare = picture, free or Picture(geometry)
        if not key:
            assert self._engine is not None
            assert self._balance is not None
            self._balance.learn(self._engine.info)
        else:
            self._key_wanted = False
            self._since_key = 0
            self._key_ns = subject.t_ns
        self._since_key += 1
        return Coded(
            body,
            params=(
                int(geometry.layout),
                plane_step,
                self.options.rank,
                self._loop_filter(plane_step),
            ),
            ref_sequence=ref_sequence,
            squared_error=error,
            energy=min(max(1 - error / energy, 0.0), 1.0) if energy else float(error == 0),
            rank=(self.options.rank,) * len(geometry.planes),
            checksum=checksum,
            significant_bits=self._bits if geometry.deep else 0,
        )

    def packet_made(self, size_bytes: int) -> None:
        """Count the whole packet, not the body alone, against the bit rate."""
        self._rate.packet_made(size_bytes)

    def _ceiling_db(self, pixels: Pixels, geometry: Geometry) -> float:
        """PSNR of the planes themselves, before anything is quantised."""
        if geometry.layout not in (Layout.YCC420, Layout.YCC444):
            return math.inf
        assert self._canvas is not None
        threads = self.options.threads
        return _psnr(squares(pixels, self._source, geometry, self._canvas, threads)[0], pixels)

    def _tell_miss(
        self,
        subject: Subject,
        psnr: float,
        step: float,
        sequence: int,
        pixels: Pixels,
        geometry: Geometry,
    ) -> None:
        """Say once that frames are below the PSNR that was asked for, and what limits them."""
        wanted = self.options.psnr
        if wanted is None or psnr >= wanted - _PSNR_PROMISE_DB or self._miss_told:
            return
        self._miss_told = True
        ceiling = self._ceiling_db(pixels, geometry)
        useful = finest_useful_step(subject.squared_error(psnr), CODING_SHARE)
        truncated = self.options.rank < FULL_RANK and step <= useful
        if truncated and psnr < ceiling - _PSNR_PROMISE_DB:
            reason = f"rank={self.options.rank} leaves too little of every core"
        elif ceiling > wanted + _PSNR_PROMISE_DB:
            reason = "no step that was tried comes nearer"
        elif geometry.layout is Layout.YCC420:
            reason = f"half-size chroma alone limits it to {ceiling:.1f} dB, use colour=ycc444"
        else:
            reason = f"the colour transform alone limits it to {ceiling:.1f} dB"
        log.warning(
            "frame %d has %.1f dB, psnr=%g was asked for: %s (reported once)",
            sequence, psnr, wanted, reason,
        )  # fmt: skip

    def _layout(self, frame: Frame) -> Layout:
        shape = frame.pixels.shape
        if len(shape) == 2 or shape[2] == 1:
            return Layout.BAYER if frame.cfa and min(shape[:2]) >= 2 else Layout.GREY
        if shape[2] == 3:
            return Layout.YCC420 if self.options.colour == "ycc420" else Layout.YCC444
        return Layout.CHANNELS

    def _prepare(self, geometry: Geometry) -> None:
        self._engine = Engine(geometry)
        self._balance = Balance(geometry)
        self._canvas = Canvas(geometry)
        self._source = [np.zeros(plane.padded, np.uint16) for plane in geometry.planes]
        self._reference = None
        self._spare = Picture(geometry)
        self._denoiser = None
        self._bits = 0

    def _denoise(self, step: float) -> None:
        """Average what stands still, if that is asked for; `step` is in grey levels."""
        if not self.options.denoise:
            self._denoiser = None
            return
        assert self._engine is not None
        geometry = self._engine.geometry
        full_range = 1 << self._bits if geometry.deep else geometry.largest + 1
        if self._denoiser is None or self._denoiser.full_range != full_range:
            sizes = [(plane.height, plane.width) for plane in geometry.planes]
            has_chroma = geometry.layout in (Layout.YCC420, Layout.YCC444)
            self._denoiser = Denoiser(sizes, full_range, has_chroma=has_chroma)
            self._undenoised = 0
        self._denoiser.apply(self._source, step * geometry.scale, self.options.threads)
        self._undenoised += not self._denoiser.has_averaged
        if self._undenoised == _TELLS_AFTER:
            log.warning(
                "denoise has changed none of %d frames: the step hides their noise, all of the "
                "view moves, or the noise was smoothed by demosaicing or JPEG (reported once)",
                _TELLS_AFTER,
            )

    def _wants_key(self, frame: Frame, reference: Picture | None) -> bool:
        if self._key_wanted or reference is None or self._since_key >= self.options.gop:
            return True
        interval_s = self.options.keyframe_interval_s
        elapsed_ns = _capture_ns(frame) - self._key_ns
        # A clock that went back says nothing of the time since, and may take hours to come again.
        if interval_s and not 0 <= elapsed_ns < interval_s * 1e9:
            return True
        geometry = reference.geometry
        largest = (1 << self._bits) - 1 if geometry.deep else geometry.largest
        return is_cut(self._source[0], reference.planes[0], largest)

    def _significant_bits(self, frame: Frame) -> int:
        if frame.pixels.dtype == np.uint8:
            return 8
        said = self.options.significant_bits or frame.significant_bits
        if said:
            return said
        # A 12-bit camera that does not say so: the largest sample so far tells. A dark picture
        # is no reason for a finer step than that of the bright one before it.
        found = int(frame.pixels.max()).bit_length()
        for depth in _DEPTHS:
            if depth < self._bits:
                continue
            # Single hot samples are no reason for a coarser step of all others.
            if (
                depth >= found
                or np.count_nonzero(frame.pixels >> depth) <= _HOT * frame.pixels.size
            ):
                break
        if depth > self._bits > 0:
            log.info("samples use %d bits: the quantiser step assumes that from now on", depth)
        return depth

    def _code(
        self, reference: Picture | None, plane_step: int, kept: bool
    ) -> tuple[Picture, bytes]:
        """Code the planes into one of the two pictures; for a key frame either may be it."""
        engine, picture = self._engine, self._spare
        assert engine is not None
        assert picture is not None
        deep = engine.geometry.deep
        table = [table_basis(deep)] * len(self._source)
        if reference is not None:
            bases = reference.bases
            if any(basis.own for basis in bases) and self._since_key % _RECONSIDER_EVERY == 0:
                costs = []
                for tried in (table, bases):
                    body = self._write(picture, reference, tried, plane_step, kept)
                    costs.append(self._cost(picture, body, plane_step, BIT_PRICE))
                if costs[1] <= costs[0]:
                    return picture, body
                bases = table
            return picture, self._write(picture, reference, bases, plane_step, kept)
        body = self._write(picture, None, table, plane_step, kept)
        step = plane_step / STEP_ONE
        tasks = [partial(choose_basis, plane, step, deep) for plane in self._source]
        chosen = pool.run(tasks, self.options.threads)
        if not any(basis.own for basis in chosen):
            return picture, body
        # The estimate is made on patches that nothing has predicted yet: only the bytes tell.
        if self._reference is None:
            self._reference = Picture(engine.geometry)
        other = self._reference
        other_body = self._write(other, None, chosen, plane_step, kept)
        own_cost = self._cost(other, other_body, plane_step, KEY_BIT_PRICE)
        if own_cost < self._cost(picture, body, plane_step, KEY_BIT_PRICE):
            return other, other_body
        return picture, body

    def _write(
        self,
        picture: Picture,
        reference: Picture | None,
        bases: list[Basis],
        plane_step: int,
        kept: bool,
    ) -> bytes:
        engine, balance = self._engine, self._balance
        assert engine is not None
        assert balance is not None
        # A key frame is work everywhere.
        borders = engine.geometry.borders if reference is None else balance.borders
        picture.start_from(reference)
        picture.bases = bases
        own = b"" if reference is not None else write_bases(bases, engine.geometry.deep)
        again = reference is not None and bases is not reference.bases
        slices = engine.write(
            self._source, borders, picture, reference, plane_step,
            self._loop_filter(plane_step), self.options.rank, EFFORTS.index(self.options.effort),
            self.options.threads,
        )  # fmt: skip
        return join_payload(Payload(kept, borders, own, again, slices), engine.geometry)

    def _loop_filter(self, plane_step: int) -> int:
        engine = self._engine
        assert engine is not None
        geometry = engine.geometry
        bits = self._bits if geometry.deep else geometry.largest.bit_length()
        return loop_filter_of(plane_step, bits)

    def _cost(self, picture: Picture, body: bytes, plane_step: int, price: float) -> float:
        """Bits plus squared error at the price of a bit."""
        error: int = sum(
            _SQUARED_ERROR(source, plane, source.size)
            for source, plane in zip(self._source, picture.planes, strict=True)
        )
        return 8 * len(body) + error / (price * (plane_step / STEP_ONE) ** 2)


def _capture_ns(frame: Frame) -> int:
    """Time of capture by the clock that was told; differences of it count."""
    return frame.t_capture_mono_ns or frame.t_capture_utc_ns


def _psnr(error: int, pixels: Pixels) -> float:
    if error == 0:
        return math.inf
    peak = full_scale(pixels.dtype)
    return 10 * math.log10(peak * peak * pixels.size / error)
