"""Options of codec `gan`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from rankcast.codec.protocol import CodecOptions, OptionalPathOption

KIND: Final = "gan"
"""Kind of the model files, as they state it."""
LEAST_STEP: Final = 0.25
MOST_STEP: Final = 4.0


class GanOptions(CodecOptions):
    """Options of the encoder."""

    model: OptionalPathOption = ""
    """Model file from ``rankcast train gan``; coding needs one."""
    label: str = ""
    """Camera of the model that the frames come from; not needed if the model knows only one."""
    step: float = Field(default=1.0, ge=LEAST_STEP, le=MOST_STEP)
    """Multiplies the learned quantiser steps: larger is coarser and smaller."""
