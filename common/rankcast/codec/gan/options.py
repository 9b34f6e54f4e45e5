"""Options of codec `gan`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from rankcast.codec.protocol import CodecOptions

KIND: Final = "gan"
"""Of the model files, as they say it themselves."""
LEAST_STEP = 0.25
MOST_STEP = 4.0


class GanOptions(CodecOptions):
    """Options of the encoder."""

    model: str = ""
    """Model file, as ``rankcast train gan`` writes it; there is no coding without one."""
    label: str = ""
    """Which camera of the model the frames come from; may be left out where it knows one alone."""
    step: float = Field(default=1.0, ge=LEAST_STEP, le=MOST_STEP)
    """Multiplies the learned quantiser steps: larger is coarser and smaller."""
