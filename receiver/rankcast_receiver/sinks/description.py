"""The description of a frame that saved files contain, and its names."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rankcast.errors import SinkError
from rankcast.frame import Frame, Scalar
from rankcast.wire import RECEIVED_NAME

_CAMERA: Final = re.compile(RECEIVED_NAME)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def check_camera(frame: Frame) -> str:
    """Return the camera name of `frame`, which may become part of a file name.

    Raises
    ------
    SinkError
        If it is not valid.
    """
    if not _CAMERA.fullmatch(frame.camera):
        raise SinkError(f"camera name {frame.camera!r:.60} must be 1 to 35 of a-z, 0-9, _ and -")
    return frame.camera


def capture_time(frame: Frame) -> datetime:
    """Return the UTC time of capture, to the microsecond."""
    return _EPOCH + timedelta(microseconds=frame.t_capture_utc_ns // 1000)


def utc_in_name(frame: Frame) -> str:
    """Return the UTC time of capture as file names have it."""
    return capture_time(frame).strftime("%Y%m%dT%H%M%S.%fZ")


def describe(frame: Frame, *, lossy_file: bool) -> str:
    """Return the text tag of a saved frame: a line of ASCII JSON without control characters.

    Parameters
    ----------
    frame : Frame
    lossy_file : bool
        True if the file format changes samples.
    """
    coding = frame.coding
    # Lossless only if both the codec and the file format preserve every sample.
    lossy = lossy_file or coding is None or coding.lossy
    values: dict[str, Any] = {
        "camera": frame.camera,
        "stream": frame.stream,
        "sequence": frame.sequence,
        "frame": frame.frame,
        "stream_id": frame.stream_id.hex(),
        "capture_utc": capture_time(frame).isoformat(timespec="microseconds"),
        "fidelity": "lossy" if lossy else "lossless",
        "codec": coding.codec if coding else None,
        "rank": list(coding.rank) if coding else [],
        "energy": coding.energy if coding else None,
        "psnr_db": _finite(coding.psnr_db) if coding else None,
        "packet_bytes": coding.packet_bytes if coding else None,
        "significant_bits": frame.bits,
        "cfa": frame.cfa,
        "device_frame_id": frame.device_frame_id,
        "device_time_ns": frame.device_time_ns,
        "meta": {key: _plain(value) for key, value in frame.meta.items()},
    }
    text = json.dumps(values, allow_nan=False)
    # JSON escapes all control characters except DEL.
    return text.replace("\x7f", "\\u007f")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Scalar) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN and no infinity
    return value
