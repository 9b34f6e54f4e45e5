"""StreamTable: the settings of one substream of a camera, ``[[camera.stream]]``."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, field_validator

from rankcast.codec import CODECS_BY_NAME
from rankcast.encoder import replace_options
from rankcast.errors import SettingsError
from rankcast.settings import CodecTable, Table
from rankcast.wire import check_substream

_EFFORT: Final = "effort"
MAX_STREAMS: Final = 8
"""Most substreams of one camera: each one that is watched has an encoder and a thread."""


class StreamTable(Table):
    """``[[camera.stream]]``: a smaller stream beside the camera's own, ``NAME.SUB`` for viewers."""

    name: str
    """Name of the substream: 1 to 16 of a-z, 0-9, _ and -, but not main or auto."""
    scale: Literal["1", "1/2", "1/4"] = "1"
    """Width and height as a share of those of the camera, or of `roi`."""
    fps: float = Field(default=0.0, ge=0.0, le=1000.0)
    """Most frames per second, left out evenly; 0: all frames of the camera."""
    roi: list[int] = Field(default_factory=list)
    """Part of the picture in pixels of the camera, x, y, width, height; empty: all of it."""
    quality: int = Field(default=0, ge=0, le=100)
    """Quality of the codec; 0: the options of the camera's own stream."""
    bitrate: str = ""
    """Bit rate of the codec, as "500 kbit/s"; empty: the options of the camera's own stream."""
    codec: dict[str, Any] = Field(default_factory=dict)
    """Name and options of the codec where they differ from those of the camera's own stream."""

    @field_validator("name")
    @classmethod
    def _name_is_allowed(cls, name: str) -> str:
        try:
            return check_substream(name)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc

    @field_validator("roi")
    @classmethod
    def _roi_is_a_part(cls, roi: list[int]) -> list[int]:
        if roi and (len(roi) != 4 or min(roi) < 0 or min(roi[2:]) < 1):
            raise ValueError("want [x, y, width, height] in pixels, width and height at least 1")
        return roi

    @property
    def divisor(self) -> int:
        """By how much width and height are divided."""
        return int(self.scale.rpartition("/")[2])

    def codec_beside(self, main: CodecTable) -> CodecTable:
        """Return the codec of this stream: that of the main one with what this table changes.

        A codec that can do with less processor time does, unless `codec` sets ``effort``: the main
        stream is encoded on the same processors.

        Raises
        ------
        ValueError
            If the codec does not exist, or does not have an option or a value.
        """
        own = {key: value for key, value in self.codec.items() if not isinstance(value, dict)}
        tables = {key: value for key, value in self.codec.items() if isinstance(value, dict)}
        name = own.pop("name", main.name)
        base = main.chosen
        if name != main.name:
            # Options next to the name in [codec] belong to the codec that is named there.
            kept = {key: value for key, value in main.model_dump().items()
                    if isinstance(value, dict)}  # fmt: skip
            base = CodecTable.model_validate({**kept, "name": name}).chosen
        base = replace_options(name, base, tables.get(name, {}))
        if self.quality:
            own["quality"] = self.quality
        if self.bitrate:
            own["bitrate"] = self.bitrate
        if _EFFORT in CODECS_BY_NAME[name].options.model_fields:
            own.setdefault(_EFFORT, tables.get(name, {}).get(_EFFORT, "fast"))
        return CodecTable.model_validate({**tables, "name": name, name: base, **own})
