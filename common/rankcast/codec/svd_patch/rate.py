"""Which quantiser step the next picture gets: fixed, for a PSNR, or for a bit rate."""

from __future__ import annotations

from collections.abc import Callable

from rankcast.codec.svd_patch.bitrate import BitRate
from rankcast.codec.svd_patch.options import DEFAULT_QUALITY, FULL_RANK, SvdPatchOptions
from rankcast.codec.svd_patch.psnr import PsnrSearch
from rankcast.codec.svd_patch.step import Subject, key_step, step_of_quality


class RateControl:
    """Proposes a step for every picture and judges what came out of it."""

    def __init__(self, options: SvdPatchOptions) -> None:
        self.options = options
        self._bit_rate = BitRate()
        self._search: PsnrSearch | None = None
        self._step = 0.0
        self._peak = 0
        self._content_bytes = 0

    def reconfigure(self, options: SvdPatchOptions) -> None:
        """Go on with other options.

        The bucket stays, except that it never holds more than its new size: what was sent
        before there was a bit rate, or at a higher one, is not to be paid back.
        """
        if options.psnr != self.options.psnr:
            self._step = 0.0  # of another target or of none: it may be very far off
        before, self.options = self.options.bits_per_second, options
        rate = options.bits_per_second
        if rate is None or before is None:
            self._bit_rate = BitRate()
        else:
            self._bit_rate.bucket.shrink(rate * options.buffer_s)

    def propose(self, subject: Subject) -> float:
        """Return the step in grey levels for a picture."""
        options = self.options
        if self._peak and subject.peak != self._peak:
            self._step *= subject.peak / self._peak
        self._peak = subject.peak
        if options.psnr is not None:
            truncated = options.rank < FULL_RANK
            self._search = PsnrSearch(subject, options.psnr, truncated=truncated)
            step = self._step or self._search.first_step()
        elif options.bits_per_second is not None:
            rate = options.bits_per_second
            step = self._bit_rate.first_step(subject, self._step, rate, rate * options.buffer_s)
        else:
            step = self._fixed_step(subject)
        self._step = subject.nearest_step(step)
        return self._step

    def _fixed_step(self, subject: Subject) -> float:
        step = self.options.step
        if step is None:
            quality = self.options.quality
            step = step_of_quality(DEFAULT_QUALITY if quality is None else quality, subject.bits)
        # Nothing rests on a key frame that the next one follows.
        return key_step(step) if subject.key and self.options.gop > 1 else step

    def review(
        self,
        subject: Subject,
        size_bytes: int,
        psnr_db: float,
        ceiling_db: Callable[[], float],
    ) -> float | None:
        """Return a better step for the same picture, or None to send it as it is.

        Parameters
        ----------
        subject : Subject
        size_bytes : int
            Of the body.
        psnr_db : float
        ceiling_db : callable
            PSNR that no step exceeds; asked for only where the target was missed.
        """
        better = None
        if self.options.psnr is not None:
            assert self._search is not None
            better = self._search.better_step(self._step, psnr_db, size_bytes, ceiling_db)
        elif self.options.bits_per_second is not None:
            error = subject.squared_error(psnr_db)
            better = self._bit_rate.better_step(subject, self._step, size_bytes, error)
        if better is None:
            return None
        better = subject.nearest_step(better)
        if better == self._step:
            return None
        self._step = better
        return better

    def sent(self, subject: Subject, size_bytes: int) -> None:
        """Take note of the body that was chosen."""
        self._content_bytes = size_bytes + subject.meta_bytes
        self._bit_rate.sent(subject)

    def packet_made(self, size_bytes: int) -> None:
        """Account for the packet of `size_bytes` that the last body became."""
        self._bit_rate.bucket.put(size_bytes, self._content_bytes)
