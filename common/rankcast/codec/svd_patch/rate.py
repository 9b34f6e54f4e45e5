"""Which quantiser step the next picture gets: fixed, for a PSNR, or for a bit rate."""

from __future__ import annotations

import math

from rankcast.codec.svd_patch.options import DEFAULT_QUALITY, SvdPatchOptions

MIN_STEP = 0.25
MAX_STEP = 32768.0
PSNR_TOLERANCE_DB = 0.25
_DB_PER_DECADE = 15.0
"""PSNR over the decade of the step, to begin with: 20 where all coefficients are coded, less where
most are zero."""
_BITS_EXPONENT = 1.2
"""Bits fall with this power of the step, to begin with."""
_MAX_ATTEMPTS = 6
_FILL_WANTED = 0.35
"""Share of the bucket that is aimed at: room for a scene that gets busier."""
_DEFAULT_FPS = 30.0


def step_of_quality(quality: int, bits: int) -> float:
    """Quantiser step in grey levels: libjpeg's scaling of a flat table of 16.

    Parameters
    ----------
    quality : int
        1..100; 75 is a step of 8 levels of an 8-bit picture, 100 is 1.
    bits : int
        Significant bits of the picture.
    """
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    return min(max(16 * scale, 1.0), 255.0) * float(2 ** (bits - 8))


class RateControl:
    """Proposes a step for every picture and judges what came out of it."""

    def __init__(self, options: SvdPatchOptions) -> None:
        self.options = options
        self._step = 0.0
        self._tries: list[tuple[float, float]] = []
        self._bucket_bits = 0.0
        self._frame_bits = 0.0
        self._last_bits: dict[bool, tuple[float, float]] = {}
        self._last_ns: int | None = None
        self._interval_s = 1 / _DEFAULT_FPS
        self._rate = 0.0

    def reconfigure(self, options: SvdPatchOptions) -> None:
        """Go on with other options; the state of the bucket stays."""
        self.options = options

    def propose(self, *, key: bool, bits: int, t_ns: int) -> float:
        """Return the step in grey levels for a picture captured at `t_ns`."""
        options = self.options
        self._tries = []
        if options.psnr is not None:
            if self._step <= 0:
                mean = 10 ** (-options.psnr / 20) * (2**bits - 1)
                self._step = mean * math.sqrt(12)
        elif options.bits_per_second is not None:
            self._drain(options.bits_per_second, t_ns)
            self._step = self._step_for(self._wanted_bits(key), key, bits)
        elif options.step is not None:
            self._step = options.step
        else:
            quality = DEFAULT_QUALITY if options.quality is None else options.quality
            self._step = step_of_quality(quality, bits)
        self._step = min(max(self._step, MIN_STEP), MAX_STEP)
        return self._step

    def review(self, *, key: bool, size_bytes: int, psnr_db: float) -> float | None:
        """Return a better step for the same picture, or None to send it as it is."""
        if self.options.psnr is not None:
            return self._review_psnr(self.options.psnr, psnr_db)
        if self.options.bits_per_second is not None:
            return self._review_bits(self.options.bits_per_second, key, 8.0 * size_bytes)
        return None

    def sent(self, *, key: bool, size_bytes: int) -> None:
        """Account for the packet that was made."""
        bits = 8.0 * size_bytes
        self._last_bits[key] = (math.log(self._step), math.log(max(bits, 1.0)))
        self._bucket_bits += bits

    def _review_psnr(self, wanted: float, got: float) -> float | None:
        if abs(got - wanted) <= PSNR_TOLERANCE_DB or len(self._tries) >= _MAX_ATTEMPTS - 1:
            return None
        point = (math.log10(self._step), min(got, 120.0))
        slope = -_DB_PER_DECADE
        if self._tries:
            x, y = self._tries[-1]
            if point[0] != x and (point[1] - y) / (point[0] - x) < -2.0:
                slope = (point[1] - y) / (point[0] - x)
        self._tries.append(point)
        move = min(max((wanted - point[1]) / slope, -0.7), 0.7)
        step = min(max(10 ** (point[0] + move), MIN_STEP), MAX_STEP)
        if abs(math.log10(step) - point[0]) < 0.002:
            return None
        self._step = step
        return step

    def _drain(self, rate: float, t_ns: int) -> None:
        if self._last_ns is not None and t_ns > self._last_ns:
            interval = min((t_ns - self._last_ns) / 1e9, 1.0)
            self._bucket_bits = max(self._bucket_bits - rate * interval, 0.0)
            self._interval_s += 0.2 * (interval - self._interval_s)
        self._last_ns = t_ns

    def _wanted_bits(self, key: bool) -> float:
        options = self.options
        rate = options.bits_per_second or 0.0
        size = rate * options.buffer_s
        share = rate * self._interval_s
        if key:
            # A key frame may take what is free of the bucket, less one frame's share.
            return max(0.8 * (size - self._bucket_bits), share)
        # Come back to the wanted filling within about eight frames.
        return max(share + (_FILL_WANTED * size - self._bucket_bits) / 8, 0.1 * share)

    def _step_for(self, wanted: float, key: bool, bits: int) -> float:
        self._frame_bits = wanted
        if key not in self._last_bits:
            return self._step if self._step > 0 else step_of_quality(50, bits)
        log_step, log_bits = self._last_bits[key]
        move = (log_bits - math.log(max(wanted, 1.0))) / _BITS_EXPONENT
        return math.exp(log_step + min(max(move, -1.0), 1.5))

    def _review_bits(self, rate: float, key: bool, got: float) -> float | None:
        room = rate * self.options.buffer_s - self._bucket_bits
        limit = max(room, 0.5 * rate * self._interval_s)
        if not key:
            limit = min(limit, 2.5 * self._frame_bits)
        if got <= limit or len(self._tries) >= 3 or self._step >= MAX_STEP:
            return None
        self._tries.append((self._step, got))
        target = min(self._frame_bits, limit)
        ratio = max(got / max(target, 1.0), 1.15)
        self._step = min(self._step * ratio ** (1 / _BITS_EXPONENT), MAX_STEP)
        return self._step
