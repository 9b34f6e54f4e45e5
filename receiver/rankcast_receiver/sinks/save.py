"""Sink `save`: one image file per frame, with a text tag that describes the frame."""

from __future__ import annotations

import json
import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rankcast.atomic_file import os_reason
from rankcast.errors import ImageFileError, RankcastError, SinkError
from rankcast.frame import Frame
from rankcast.images import read_text, write_image
from rankcast_receiver.sinks.debayer import debayered
from rankcast_receiver.sinks.description import check_camera, describe, utc_in_name
from rankcast_receiver.sinks.saved_files import RetentionLimits, SavedFiles

log = logging.getLogger(__name__)

_SUFFIXES: Final = {"png": ".png", "jpeg": ".jpg", "tiff": ".tiff"}


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
    max_age_s: float = Field(default=0.0, ge=0.0, strict=False)
    """Remove files that were written longer ago; 0: no limit."""
    min_free_bytes: int = Field(default=0, ge=0)
    """Remove the oldest files while the file system has less free space; 0: no limit."""
    sync_frames: int = Field(default=0, ge=0)
    """Write the file and the folder through to the disk after every N-th picture; 0: never."""
    debayer: bool = False
    """Save mosaics in colour, interpolated along edges, instead of as they came."""
    jpeg_quality: int = Field(default=95, ge=1, le=100)
    png_compression: int = Field(default=1, ge=0, le=9)


class SaveSink:
    """Saves each frame as ``CAMERA_SEQUENCE_UTC.SUFFIX``, completely or not at all.

    The limits apply to the folder: all files named like this count, including those of other
    cameras and earlier runs, and the oldest are removed first. Other files are never touched. A
    folder of many files is read in small steps between frames, and its limits hold from then on.

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
            limits = RetentionLimits(
                max_files=options.max_files,
                max_bytes=options.max_bytes,
                max_age_s=options.max_age_s,
                min_free_bytes=options.min_free_bytes,
            )
            self._files = SavedFiles(folder, limits)
        except OSError as exc:
            raise SinkError(f"cannot save to {folder}: {os_reason(exc)}") from exc

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
        self._files.tidy()
        frame = debayered(frame, "edge-aware" if self.options.debayer else "off")
        path = self.options.folder / file_name(frame, self.options.format)
        try:
            size = self._write(path, frame)
        except FileExistsError:
            path = self._other_name(path, frame)
            try:
                size = self._write(path, frame)
            except FileExistsError as exc:
                raise _exists(path) from exc
        self.saved += 1
        self.saved_bytes += size
        self._files.added(path.name, size)
        # This frame is saved already: a failed removal is raised for the next frame.
        with suppress(SinkError):
            self._files.tidy()
        return True

    def idle(self) -> bool:
        """Remove files that have become too old, and read a large folder; see Sink."""
        with suppress(SinkError):  # raised for the next frame
            self._files.tidy()
        return True

    def close(self) -> None:
        """Stop reading the folder; every file is complete. See Sink."""
        self._files.close()

    def _write(self, path: Path, frame: Frame) -> int:
        every = self.options.sync_frames
        try:
            return write_image(
                path,
                frame.pixels,
                text=describe(frame, lossy_file=self.options.format == "jpeg"),
                jpeg_quality=self.options.jpeg_quality,
                png_compression=self.options.png_compression,
                # Two receivers that save one camera in one folder must not replace each
                # other's files.
                exclusive=True,
                fsync=every > 0 and (self.saved + 1) % every == 0,
            )
        except ImageFileError as exc:
            raise SinkError(str(exc)) from exc

    def _other_name(self, path: Path, frame: Frame) -> Path:
        """Return a name for a frame whose name is taken by a frame of another stream.

        A sender whose clock was set back by a restart uses the same names again.
        """
        try:
            tag = json.loads(read_text(path) or "null")
        except (RankcastError, ValueError):  # no picture of ours
            tag = None
        stream_id = frame.stream_id.hex()
        if not isinstance(tag, dict) or tag.get("stream_id") == stream_id:
            raise _exists(path)
        return path.with_name(f"{path.stem}_{stream_id[:8]}{path.suffix}")


def _exists(path: Path) -> SinkError:
    return SinkError(f"{path} exists already: does another receiver save there?")


def file_name(frame: Frame, format: str) -> str:  # noqa: A002 - the option's own name
    """Return the file name of `frame`: camera name, sequence and UTC time of capture.

    Raises
    ------
    SinkError
        If the camera name is not valid.
    """
    return f"{check_camera(frame)}_{frame.sequence:09d}_{utc_in_name(frame)}{_SUFFIXES[format]}"
