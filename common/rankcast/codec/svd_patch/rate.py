"""Which quantiser step the next picture gets: fixed, for a PSNR, or for a bit rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from rankcast.codec.svd_patch.options import DEFAULT_QUALITY, SvdPatchOptions

MIN_STEP = 0.25
MAX_STEP = 32768.0
PSNR_TOLERANCE_DB = 0.25
_DB_PER_DECADE = 15.0
"""PSNR over the decade of the step, to begin with: 20 where all coefficients are coded, less where
most are zero."""
_BITS_EXPONENT = 1.2
"""Bits fall with this power of the step, to begin with."""
_MAX_ATTEMPTS = 8
_FLAT_DB, _FLAT_DECADES = 0.05, 0.3
"""A step twice as coarse that costs less than this leaves all to prediction."""
_FINEST_SHARE = 1 / 16
"""Least share of the wanted squared error that coding is left with where the planes, whatever the
step, take most of it: 0.26 dB, so that a target at their very limit is still met within 0.3."""
_SOFT_TRIES = 3
"""Attempts to keep a predicted frame near its share; beyond, it only has to fit the bucket."""
_UNUSED = 0.4
"""Of its share, below which a frame that was too large at a finer step is tried between the two."""
_MAX_TRIES = 10
_PACKET_OVERHEAD_BYTES = 114
"""Prefix and header of a packet, until one was made."""
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


def nearest_psnr_db(wanted_db: float, ceiling_db: float) -> float:
    """Return what to aim at where the planes alone limit the PSNR to `ceiling_db`.

    `wanted_db` itself where it can be reached. Far above the ceiling coding adds the error that
    was asked for and no less: finer steps would cost bits and hardly show.
    """
    wanted, planes = 10 ** (-wanted_db / 10), 10 ** (-ceiling_db / 10)
    if planes <= (1 - _FINEST_SHARE) * wanted:
        return wanted_db
    share = min(max(planes / wanted - 1, _FINEST_SHARE), 1.0)
    return -10 * math.log10(planes + share * wanted)


class RateControl:
    """Proposes a step for every picture and judges what came out of it."""

    def __init__(self, options: SvdPatchOptions) -> None:
        self.options = options
        self._step = 0.0
        self._tries: list[tuple[float, float]] = []
        self._bucket_bits = 0.0
        self._counted_bytes = 0
        self._body_bytes = 0
        self._overhead_bytes = _PACKET_OVERHEAD_BYTES
        self._frame_bits = 0.0
        self._last_bits: dict[bool, tuple[float, float]] = {}
        self._last_ns: int | None = None
        self._interval_s = 1 / _DEFAULT_FPS

    def reconfigure(self, options: SvdPatchOptions) -> None:
        """Go on with other options.

        The bucket stays, except that it never holds more than its new size: what was sent
        before there was a bit rate, or at a higher one, is not to be paid back.
        """
        before, self.options = self.options.bits_per_second, options
        rate = options.bits_per_second
        if rate is None or before is None:
            self._bucket_bits, self._last_ns = 0.0, None
        else:
            self._bucket_bits = min(self._bucket_bits, rate * options.buffer_s)

    def propose(self, *, key: bool, bits: int, peak: int, t_ns: int) -> float:
        """Return the step in grey levels for a picture captured at `t_ns`.

        Parameters
        ----------
        key : bool
        bits : int
            Significant bits of the picture.
        peak : int
            Full scale of its dtype, which a PSNR counts on.
        t_ns : int
            Monotonic time of capture.
        """
        options = self.options
        self._tries = []
        if options.psnr is not None:
            if self._step <= 0:
                self._step = 10 ** (-options.psnr / 20) * peak * math.sqrt(12)
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

    def review(
        self, *, key: bool, size_bytes: int, psnr_db: float, ceiling_db: Callable[[], float]
    ) -> float | None:
        """Return a better step for the same picture, or None to send it as it is.

        Parameters
        ----------
        key : bool
        size_bytes : int
            Of the body.
        psnr_db : float
        ceiling_db : callable
            PSNR that no step exceeds; asked for only where the target was missed.
        """
        if self.options.psnr is not None:
            return self._review_psnr(self.options.psnr, psnr_db, ceiling_db)
        if self.options.bits_per_second is not None:
            got = 8.0 * (size_bytes + self._overhead_bytes)
            return self._review_bits(self.options.bits_per_second, key, got)
        return None

    def sent(self, *, key: bool, size_bytes: int) -> None:
        """Account for the body that was made, with a packet around it like the last one."""
        self._body_bytes = size_bytes
        self._counted_bytes = size_bytes + self._overhead_bytes
        bits = 8.0 * self._counted_bytes
        self._last_bits[key] = (math.log(self._step), math.log(max(bits, 1.0)))
        self._bucket_bits += bits

    def packet_made(self, size_bytes: int) -> None:
        """Correct the account: the last body became a packet of `size_bytes`."""
        self._bucket_bits += 8.0 * (size_bytes - self._counted_bytes)
        self._counted_bytes = size_bytes
        self._overhead_bytes = size_bytes - self._body_bytes

    def _review_psnr(
        self, asked: float, got: float, ceiling_db: Callable[[], float]
    ) -> float | None:
        wanted = asked
        if got < asked - PSNR_TOLERANCE_DB:
            wanted = nearest_psnr_db(asked, ceiling_db())
        if abs(got - wanted) <= PSNR_TOLERANCE_DB or len(self._tries) >= _MAX_ATTEMPTS:
            return None
        point = (math.log10(self._step), min(got, 120.0))
        x, y = self._tries[-1] if self._tries else (math.inf, math.inf)
        self._tries.append(point)
        if got > wanted and abs(y - got) < _FLAT_DB and point[0] - x > _FLAT_DECADES:
            # Prediction alone is better than what was asked for.
            return None
        if len(self._tries) == _MAX_ATTEMPTS:
            # At coarse steps PSNR jumps up and down: the nearest of all that were tried.
            return self._move_to(min(self._tries, key=lambda tried: abs(tried[1] - wanted))[0])
        slope = -_DB_PER_DECADE
        if len(self._tries) > 1 and point[0] != x and (point[1] - y) / (point[0] - x) < -2.0:
            slope = (point[1] - y) / (point[0] - x)
        aim = point[0] + min(max((wanted - point[1]) / slope, -0.7), 0.7)
        # Once there are steps on both sides of the target the next one lies between them.
        finer = max((x for x, y in self._tries if y > wanted), default=None)
        coarser = min((x for x, y in self._tries if y <= wanted), default=None)
        if finer is not None and coarser is not None and finer < coarser:
            margin = 0.1 * (coarser - finer)
            if not finer + margin <= aim <= coarser - margin:
                aim = (finer + coarser) / 2
        return self._move_to(aim)

    def _between(self, got: float) -> float | None:
        """Half way back to the step that was too fine, if this one leaves the rate unused.

        Prediction makes a cliff of it: from one step on hardly anything is worth its bits.
        """
        if not 0 < len(self._tries) < _SOFT_TRIES or got > _UNUSED * self._frame_bits:
            return None
        finer, bits = self._tries[-1]
        self._tries.append((finer, bits))
        return self._move_to((math.log10(finer) + math.log10(self._step)) / 2)

    def _move_to(self, log_step: float) -> float | None:
        """Take another step; None if it is the one that is there."""
        step = min(max(10**log_step, MIN_STEP), MAX_STEP)
        if abs(math.log10(step) - math.log10(self._step)) < 1e-4:
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
            return max(0.8 * (size - self._bucket_bits), 0.5 * share)
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
        # Without the floor a frame that comes much too early would be nothing but coarse.
        room = max(rate * self.options.buffer_s - self._bucket_bits, 0.25 * rate * self._interval_s)
        limit = room
        if not key and len(self._tries) < _SOFT_TRIES:
            limit = min(limit, 2.5 * self._frame_bits)
        if got <= limit or len(self._tries) >= _MAX_TRIES or self._step >= MAX_STEP:
            return None if key else self._between(got)
        self._tries.append((self._step, got))
        ratio = max(got / max(min(self._frame_bits, limit), 1.0), 1.15)
        if len(self._tries) > _SOFT_TRIES:
            # Hardly anything but headers and flags is left: only big moves still help.
            ratio = max(ratio, 3.0)
        self._step = min(self._step * ratio ** (1 / _BITS_EXPONENT), MAX_STEP)
        return self._step
