"""Codec `gan`: learned encoder, generator and entropy statistics, conditioned on a camera label.

The codec table always lists it; torch (extra ``[gan]``) is imported at its first use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rankcast.codec.gan.halves import GanDecoder, GanEncoder, missing_torch
from rankcast.codec.gan.layout import KIND, LEAST_STEP, MOST_STEP
from rankcast.codec.gan.model_facts import CHECKPOINT_KIND, gan_model_facts
from rankcast.codec.gan.preload import load_ahead
from rankcast.codec.protocol import Codec
from rankcast.codec.sweep import Steps, Sweep, linear_steps
from rankcast.frame import Pixels

if TYPE_CHECKING:
    from rankcast.codec.gan.options import GanOptions

_STEPS_PER_OCTAVE: Final = 4


def _steps(_: Pixels) -> Steps:
    count = round(_STEPS_PER_OCTAVE * math.log2(MOST_STEP / LEAST_STEP)) + 1
    return linear_steps([MOST_STEP * 2 ** (-k / _STEPS_PER_OCTAVE) for k in range(count)])


def _options() -> type[GanOptions]:
    from rankcast.codec.gan.options import GanOptions

    return GanOptions


GAN: Final = Codec(
    7, "gan", _options, GanEncoder, GanDecoder,
    sweeps=(Sweep("gan", "step", _steps, needs_model=True),),
    missing=missing_torch,
    preload_models=load_ahead,
    model_facts={KIND: gan_model_facts, CHECKPOINT_KIND: gan_model_facts},
)  # fmt: skip

__all__ = ["GAN", "GanDecoder", "GanEncoder"]
