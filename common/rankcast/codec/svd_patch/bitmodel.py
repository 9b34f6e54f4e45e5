"""How many bits a picture takes at a quantiser step, learnt from those before it."""

from __future__ import annotations

import math
from typing import Final

_SLOPE_MOVE: Final = 0.2
"""Change of the logarithm of the step that tells half as much of the slope as a large one."""
_SLOPE_LEAK: Final = 0.03
"""What the slope goes back to its first value in every picture."""
_ERROR_GAIN: Final = 0.15
_FIRST_ERROR: Final = 0.3
_LARGEST_ERROR: Final = 1.0


class BitModel:
    """Bits of a body against its step: a power law through what the last pictures took."""

    def __init__(self, slope: float, slopes: tuple[float, float]) -> None:
        self._first_slope, self._slopes = slope, slopes
        self.expect(1.0, 1.0)

    def expect(self, step: float, bits: float) -> None:
        """Forget all pictures; expect `bits` at `step` of the next one."""
        self.known = False
        self.slope = self._first_slope
        self.error = _FIRST_ERROR
        """Usual size of the natural logarithm of bits over bits expected."""
        self._log_step, self._log_bits = math.log(step), math.log(bits)

    def bits(self, step: float) -> float:
        """Return the bits expected at a step."""
        return math.exp(self._log_bits - self.slope * (math.log(step) - self._log_step))

    def step(self, bits: float) -> float:
        """Return the step at which so many bits are expected."""
        return math.exp(self._log_step + (self._log_bits - math.log(bits)) / self.slope)

    def anchor(self, step: float, bits: float) -> None:
        """Take a picture for the measure of all that follow."""
        self.known = True
        self._log_step, self._log_bits = math.log(step), math.log(bits)

    def learn(self, step: float, bits: float, gain: float) -> None:
        """Take in another picture, its bits with a weight of `gain`, and what its step did."""
        if not self.known:
            self.anchor(step, bits)
            return
        moved = math.log(step) - self._log_step
        expected = self._log_bits - self.slope * moved
        missed = math.log(bits) - expected
        self.error += _ERROR_GAIN * (min(abs(missed), _LARGEST_ERROR) - self.error)
        self._turn(moved, missed)
        self._log_step, self._log_bits = math.log(step), expected + gain * missed

    def compare(self, step: float, bits: float, other_step: float, other_bits: float) -> None:
        """Learn the slope from two steps of one picture."""
        moved = math.log(other_step / step)
        self._turn(moved, math.log(other_bits / bits) + self.slope * moved)

    def _turn(self, moved: float, missed: float) -> None:
        low, high = self._slopes
        slope = self.slope - missed * moved / (moved * moved + _SLOPE_MOVE**2)
        slope += _SLOPE_LEAK * (self._first_slope - slope)
        self.slope = min(max(slope, low), high)
