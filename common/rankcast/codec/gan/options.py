"""Options of codec `gan`."""

from __future__ import annotations

from pydantic import Field

from rankcast.codec.gan.layout import LEAST_STEP, MOST_STEP
from rankcast.codec.options import CodecOptions, OptionalPathOption


class GanOptions(CodecOptions):
    """Options of the encoder."""

    model: OptionalPathOption = ""
    """Model file from ``rankcast train gan``; coding needs one."""
    label: str = ""
    """Camera of the model that the frames come from; not needed if the model knows only one."""
    step: float = Field(default=1.0, ge=LEAST_STEP, le=MOST_STEP)
    """Multiplies the learned quantiser steps: larger is coarser and smaller."""
