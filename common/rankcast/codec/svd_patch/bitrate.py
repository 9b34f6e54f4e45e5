"""Steps that keep a stream within a leaky bucket, as evenly as its pictures allow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from rankcast.codec.svd_patch.bitmodel import BitModel
from rankcast.codec.svd_patch.bucket import Bucket
from rankcast.codec.svd_patch.step import Subject, finest_useful_step

_KEY_SLOPE: Final = 0.85
_KEY_SLOPES: Final = (0.4, 12.0)
"""Power of the step that bits of key frames fall with, at first and at all: 0.5 to 1.3 measured
from steps of 2 to 30 on clips and photographs, 6 and more where the step passes strong noise."""
_SLOPE: Final = 2.0
_SLOPES: Final = (0.8, 12.0)
"""The same of predicted frames, near the step of their reference: 1.7 towards coarser and 3.5
towards finer steps on clips, up to 20 where the step passes the noise of a camera that stands
still."""
_USUAL_STEP: Final = 12.0
_USUAL_BITS: Final = 0.65
"""Bits a sample that the first picture of a stream is expected to have at that step of 8 bits: 0.1
to 2.1 on clips and photographs; the first try tells."""
_FIRST_FINEST: Final = 2.0
"""The same: the finest step of a first try, which tells what finer ones would be good for."""
_LEVEL_GAIN: Final = 0.4
"""Weight of one predicted frame in what is expected of the next."""
_REFINING: Final = 3.0
"""A step finer by x in its logarithm than that of the reference codes again what stands still: bits
of a key frame times this x^2, measured 0.4 to 3."""
_COARSER_AT_MOST: Final = 0.25
_LEAP: Final = 0.7
"""Change of the logarithm of the step from one predicted frame to the next; a leap is towards finer
steps, or away from one that the bucket had no room for."""
_FILL: Final = 0.4
"""Share of the bucket, beyond one frame's, that is aimed at: room for a scene that gets busier."""
_FRAMES_BACK: Final = 8
"""Frames that coming back to it takes at least."""
_KEY_SHARE: Final = 0.8
"""Of what is free of the bucket, that a key frame aims at."""
_KEY_USED: Final = 0.6
"""Of what a key frame may take or was expected to, below which it is tried finer or is another
scene."""
_KEY_FINER: Final = 1.4
"""How much finer than the predicted frames before it a key frame of the same scene is at most."""
_CODING_SHARE: Final = 0.02
"""Of all squared error, below which that of coding is not worth a finer step: 0.09 dB."""
_SAFE_ERRORS: Final = 1.0
"""Usual errors of the model for which the bucket has room."""
_LEAST_BITS: Final = 8.0
"""Of a body: what logarithms are taken of."""
_RECODING_SLOPE: Final = 0.9
"""Power that bits of a frame that came out too large fall with, on the safe side."""
_RECODING_FACTORS: Final = (1.15, 2.0, 4.0, 16.0)
"""How much coarser the tries that follow are at least; one more is as coarse as can be."""
_MAX_KEY_TRIES: Final = 3
_MAX_BETWEEN: Final = 3
"""Codings of a key frame that has room left, and codings more once one was too large."""
_NEAR: Final = 1.15
"""Ratio of steps between which nothing is looked for."""
_USED_BETWEEN: Final = 0.5
"""The same as `_KEY_USED` once a finer step was too large: one more coding gains less."""
_SIDE: Final = 0.15
"""Of the way between two tries, that the next is away from either."""


@dataclass(frozen=True, slots=True)
class _Try:
    step: float
    bits: float


_NO_TRY: Final = _Try(0.0, 0.0)


class BitRate:
    """Proposes a step for every picture of a stream with a bit rate, and judges what it gave."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self._key_model = BitModel(_KEY_SLOPE, _KEY_SLOPES)
        self._model = BitModel(_SLOPE, _SLOPES)
        self._kind = (0, 0)
        self._tries = self._overflows = 0
        self._last = (1.0, 1.0)
        self._wanted_bits = self._most_bits = self._room_bits = 0.0
        self._after_key = False
        self._planned = 0.0
        self._finest = 0.0
        self._too_large = self._fitting = _NO_TRY
        """Of this picture, the coarsest try that the bucket had no room for, and the finest that it
        had."""
        self._same_scene = True

    def first_step(self, subject: Subject, last_step: float, rate: float, size: float) -> float:
        """Return the step of the first try.

        Parameters
        ----------
        subject : Subject
        last_step : float
            Of the picture before; 0 if there was none.
        rate, size : float
            Bits a second, and bits that the bucket holds.
        """
        if (subject.samples, subject.peak) != self._kind:
            self._kind = subject.samples, subject.peak
            self._planned = 0.0
            self._key_model.expect(
                _USUAL_STEP * 2.0 ** (subject.bits - 8), _USUAL_BITS * subject.samples
            )
            self._model.expect(1.0, 1.0)
        bucket = self.bucket
        bucket.drain(rate, size, subject.t_ns)
        model = self._key_model if subject.key else self._model
        share = max(rate * bucket.interval_s, _LEAST_BITS)
        fill = _FILL * max(size - share, 0.0)
        back = (fill - bucket.held_bits) / max(_FRAMES_BACK, size / share)
        leaps = self._overflows > 0
        self._tries = self._overflows = 0
        self._too_large = self._fitting = _NO_TRY
        overhead_bits = bucket.overhead_bits + 8.0 * subject.meta_bytes
        self._room_bits = size - bucket.held_bits - overhead_bits
        # The better the model knows, the less of the room is left for its errors.
        self._most_bits = max(self._room_bits * math.exp(-_SAFE_ERRORS * model.error), _LEAST_BITS)
        wanted = share + back - overhead_bits
        if subject.key and not self._after_key:
            self._most_bits = wanted = max(_KEY_SHARE * self._room_bits, _LEAST_BITS)
        self._wanted_bits = min(max(wanted, _LEAST_BITS), self._most_bits)
        if self._room_bits <= 0:
            return math.inf
        if subject.key:
            if self._after_key:
                self._planned = 0.0  # nothing is predicted any more that a key frame should be like
            return self._key_step(subject)
        return self._step(subject, last_step, _LEAP if leaps else _COARSER_AT_MOST)

    def better_step(
        self, subject: Subject, step: float, size_bytes: int, error: float
    ) -> float | None:
        """Return what to try after `step`, or None to send what that gave.

        Parameters
        ----------
        subject : Subject
        step, size_bytes
            What was tried last, and the size of its body.
        error : float
            Its mean squared error, in grey levels.
        """
        bits = max(8.0 * size_bytes, _LEAST_BITS)
        self._tries += 1
        self._learn(subject.key, step, bits)
        self._last = step, bits
        # An exact picture gains nothing from finer steps.
        self._finest = finest_useful_step(error, _CODING_SHARE) if error > 0 else step
        if bits > self._room_bits:
            if step > self._too_large.step:
                self._too_large = _Try(step, bits)
            return self._coarser(subject, step, bits)
        if self._fitting is _NO_TRY or step < self._fitting.step:
            self._fitting = _Try(step, bits)
        return self._finer(subject, step, bits) if subject.key else None

    def sent(self, subject: Subject) -> None:
        """Take note of what the next picture follows."""
        self._after_key = subject.key

    def _key_step(self, subject: Subject) -> float:
        step = self._key_model.step(self._wanted_bits)
        if not self._key_model.known:
            return max(step, _FIRST_FINEST * 2.0 ** (subject.bits - 8))
        # Far finer than what follows it, it would only fill the bucket.
        return max(step, self._planned / _KEY_FINER, self._finest)

    def _step(self, subject: Subject, last_step: float, coarser: float) -> float:
        model = self._model
        safe = subject.coarser_step(model.step(self._most_bits)) if model.known else 0.0
        if self._after_key or not model.known or not self._planned:
            # What stands still has the step of the key frame; how much moves is to be seen.
            self._planned = last_step
            return max(last_step, safe)
        finest = self._planned
        unused = self._wanted_bits - model.bits(finest)
        if unused > 0:
            finer = math.sqrt(unused / (_REFINING * self._key_model.bits(finest)))
            finest = max(finest * math.exp(-min(finer, _LEAP)), self._finest)
        step = max(model.step(self._wanted_bits), finest)
        self._planned = min(step, self._planned * math.exp(coarser))
        # A bucket that is nearly full for a moment does not change what the scene needs.
        return max(self._planned, safe)

    def _learn(self, key: bool, step: float, bits: float) -> None:
        if key:
            if self._tries == 1:
                expected = self._key_model.bits(step)
                change = bits / expected
                self._same_scene = self._key_model.known and _KEY_USED < change < 1 / _KEY_USED
            self._key_model.learn(step, bits, 1.0)
        elif self._tries > 1:
            # What a coarser try leaves out comes back in the next frame: the first one counts.
            self._model.compare(*self._last, step, bits)
        elif self._after_key or bits > self._room_bits:
            self._model.anchor(step, bits)
        else:
            self._model.learn(step, bits, _LEVEL_GAIN)

    def _coarser(self, subject: Subject, step: float, bits: float) -> float:
        """Return what to try after a step that the bucket has no room for."""
        self._overflows += 1
        if self._fitting is not _NO_TRY:
            # One of those that fit is sent in the end.
            return self._between(subject) or self._fitting.step
        if self._overflows > len(_RECODING_FACTORS):
            return math.inf
        # A finer step that was tried before tells how bits of this very picture fall.
        if subject.key:
            slope = self._key_model.slope if self._tries > 1 else _RECODING_SLOPE
        else:
            # A scene that gets busier has bits like a key frame's, noise falls as it did before.
            slope = max(_RECODING_SLOPE, self._model.slope / 2)
        ratio = math.pow(bits / self._most_bits, 1 / slope)
        return step * max(ratio, _RECODING_FACTORS[self._overflows - 1])

    def _finer(self, subject: Subject, step: float, bits: float) -> float | None:
        """Return what to try after a key frame that leaves much of what it may take, or None."""
        used = bits / self._wanted_bits
        if self._too_large is not _NO_TRY:
            return (self._between(subject) or None) if used < _USED_BETWEEN else None
        known = self._same_scene and self._planned > 0
        if known or used >= _KEY_USED or self._tries >= _MAX_KEY_TRIES:
            return None
        finer = max(self._key_model.step(self._wanted_bits), self._finest)
        return finer if subject.nearest_step(finer) < step else None

    def _between(self, subject: Subject) -> float:
        """Return a step between the try that was too large and the one that fits, or 0.

        It is where a power law through both has the bits that are wanted: they fall so steeply
        where the step passes strong noise that no model tells it beforehand.
        """
        fine, coarse = self._too_large, self._fitting
        near = coarse.step < _NEAR * fine.step
        if near or self._tries >= _MAX_KEY_TRIES + _MAX_BETWEEN:
            return 0.0
        share = math.log(fine.bits / self._wanted_bits) / math.log(fine.bits / coarse.bits)
        share = min(max(share, _SIDE), 1 - _SIDE)
        step = subject.nearest_step(fine.step * math.pow(coarse.step / fine.step, share))
        return step if fine.step < step < coarse.step else 0.0
