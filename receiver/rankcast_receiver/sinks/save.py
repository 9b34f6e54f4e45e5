"""Sink `save`: one image file per frame, with a text tag that describes the frame."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rankcast.atomic_file import os_reason
from rankcast.errors import ImageFileError, SinkError
from rankcast.frame import Frame, Scalar
from rankcast.images import write_image

log = logging.getLogger(__name__)

_SUFFIXES: Final = {"png": ".png", "jpeg": ".jpg", "tiff": ".tiff"}
_NAME: Final = re.compile(
    r"[a-z0-9_-]{1,35}_(?P<sequence>\d{9,20})_(?P<utc>\d{8}T\d{6}\.\d{6})Z\.(?:png|jpg|tiff)"
)
_CAMERA: Final = re.compile(r"[a-z0-9_-]{1,35}")
"""A name has up to 32 characters; with several senders a number is appended, up to "-16"."""
_PART: Final = re.compile(rf"\.{_NAME.pattern}\.[0-9a-f]{{8}}\.part")
_PART_AGE_S: Final = 3600
"""An older part file was left by a killed process; a newer one may still be in use."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SaveOptions(BaseModel):
    """Options of the save sink."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    folder: Path = Field(strict=False)
    """Created if it does not exist."""
    format: Literal["png", "jpeg", "tiff"] = "png"
    """JPEG supports 8 bits and 1 or 3 channels, PNG up to 4 channels, TIFF everything."""
    every: int = Field(default=1, ge=1)
    """Save frames whose sequence is a multiple of this."""
    max_files: int = Field(default=0, ge=0)
    """Number of files to keep in the folder; 0: no limit."""
    max_bytes: int = Field(default=0, ge=0)
    """Bytes to keep in the folder, at least the newest file; 0: no limit."""
    jpeg_quality: int = Field(default=95, ge=1, le=100)
    png_compression: int = Field(default=1, ge=0, le=9)


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    size: int


class SaveSink:
    """Saves each frame as ``CAMERA_SEQUENCE_UTC.SUFFIX``, completely or not at all.

    The limits apply to the folder: all files named like this count, including those of other
    cameras and earlier runs, and the oldest are removed first. Other files are never touched.

    Parameters
    ----------
    options : SaveOptions

    Raises
    ------
    SinkError
        If the folder cannot be created, listed or written to.
    """

    name = "save"
    wants: Final = "frames"

    def __init__(self, options: SaveOptions) -> None:
        self.options = options
        self.saved = 0
        """Number of files written."""
        self.saved_bytes = 0
        """Number of bytes written."""
        folder = options.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".rankcast-{secrets.token_hex(4)}.part"
            with probe.open("xb"):
                pass
            probe.unlink()
            self._kept = _found(folder)
        except OSError as exc:
            raise SinkError(f"cannot save to {folder}: {os_reason(exc)}") from exc
        self._kept_bytes = sum(kept.size for kept in self._kept)

    def put(self, frame: Frame) -> bool:
        """Save one frame if its sequence is a multiple of `every`; see Sink.

        Raises
        ------
        SinkError
            If the format cannot hold the picture, the disk is full, the folder is gone, the file
            exists already, or an old file over the limit cannot be removed.
        """
        if frame.sequence % self.options.every:
            return False
        self._remove_oldest()
        path = self.options.folder / file_name(frame, self.options.format)
        try:
            size = write_image(
                path,
                frame.pixels,
                text=describe(frame, lossy_file=self.options.format == "jpeg"),
                jpeg_quality=self.options.jpeg_quality,
                png_compression=self.options.png_compression,
                # Two receivers that save one camera in one folder must not replace each
                # other's files.
                exclusive=True,
            )
        except FileExistsError as exc:
            raise SinkError(f"{path} exists already: does another receiver save there?") from exc
        except ImageFileError as exc:
            raise SinkError(str(exc)) from exc
        self.saved += 1
        self.saved_bytes += size
        self._kept.append(_Kept(path, size))
        self._kept_bytes += size
        # This frame is saved already: a failed removal is raised for the next frame.
        with suppress(SinkError):
            self._remove_oldest()
        return True

    def idle(self) -> bool:
        """Do nothing between frames; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing, because every file is complete; see Sink."""

    def _remove_oldest(self) -> None:
        while len(self._kept) > 1 and self._too_many():
            oldest = self._kept[0]
            try:
                oldest.path.unlink(missing_ok=True)
            except OSError as exc:
                raise SinkError(f"cannot remove {oldest.path}: {os_reason(exc)}") from exc
            self._kept.popleft()
            self._kept_bytes -= oldest.size

    def _too_many(self) -> bool:
        files, size = self.options.max_files, self.options.max_bytes
        return bool((files and len(self._kept) > files) or (size and self._kept_bytes > size))


def _found(folder: Path) -> deque[_Kept]:
    """List the files of earlier runs, oldest first, and remove part files of killed runs."""
    found: list[tuple[str, int, _Kept]] = []
    now = time.time()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                continue
            match = _NAME.fullmatch(entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
                if match:
                    kept = _Kept(folder / entry.name, status.st_size)
                    found.append((match["utc"], int(match["sequence"]), kept))
                elif _PART.fullmatch(entry.name) and now - status.st_mtime > _PART_AGE_S:
                    os.unlink(entry.path)
            except FileNotFoundError:  # another receiver removed it
                continue
    found.sort(key=lambda item: item[:2])
    return deque(kept for _, _, kept in found)


def capture_time(frame: Frame) -> datetime:
    """Return the UTC time of capture, to the microsecond."""
    return _EPOCH + timedelta(microseconds=frame.t_capture_utc_ns // 1000)


def file_name(frame: Frame, format: str) -> str:  # noqa: A002 - the option's own name
    """Return the file name of `frame`: camera name, sequence and UTC time of capture.

    Raises
    ------
    SinkError
        If the camera name is not valid.
    """
    if not _CAMERA.fullmatch(frame.camera):
        raise SinkError(f"camera name {frame.camera!r:.60} must be 1 to 35 of a-z, 0-9, _ and -")
    utc = capture_time(frame).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{frame.camera}_{frame.sequence:09d}_{utc}{_SUFFIXES[format]}"


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
