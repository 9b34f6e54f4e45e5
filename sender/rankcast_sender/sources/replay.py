"""``replay:PATH``: one image, a folder of images, a glob, or a video file."""

from __future__ import annotations

import glob
import logging
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from rankcast.errors import ImageFileError, SourceError, UnsupportedImageError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.images import IMAGE_SUFFIXES, read_image
from rankcast.opencv import cv2
from rankcast.printable import printable
from rankcast_sender.sources.mosaic import Cfa, check_mosaic
from rankcast_sender.sources.uri import SourceOptions

log = logging.getLogger(__name__)

IMAGE_FPS: Final = 20.0
"""Pace of images, which know none."""
MAX_FPS: Final = 1000.0
"""A video that claims more has a broken header."""
_NAMED_WARNINGS = 8
_NAME_CHARACTERS = 200
# Containers count a few frames more than there are: edit lists, a last packet without a picture.
_COUNT_TOLERANCE = 0.01
_DIGITS = re.compile(r"(\d+)", re.ASCII)


class ReplayOptions(SourceOptions):
    """Options of ``replay:``; without `fps` a video runs at its own rate and images at 20."""

    loop: bool = False
    """Begin again at the end; frames are counted on."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Significant bits of 16-bit pictures; all of them by default."""
    cfa: Cfa | None = None
    """The images are mosaics of a raw colour sensor with this colour filter array."""


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key under which ``img2`` comes before ``img10``."""
    parts = _DIGITS.split(str(path).casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)


def _shown(name: str) -> str:
    # The name goes to terminals and into file tags at the far end.
    return printable(name)[:_NAME_CHARACTERS]


def _find(text: str) -> list[Path]:
    """Files that `text` names, in the order in which they are played."""
    path = Path(os.path.expanduser(text))
    shown = f"replay:{_shown(text)}"
    try:
        if path.is_dir():
            files = [
                entry
                for entry in path.iterdir()
                # A leading dot marks what macOS and editors leave beside an image.
                if entry.suffix.lower() in IMAGE_SUFFIXES
                and not entry.name.startswith(".")
                and entry.is_file()
            ]
            if not files:
                raise SourceError(
                    f"{shown}: the folder holds no image, want files that end in "
                    f"{', '.join(sorted(IMAGE_SUFFIXES))}"
                )
        elif path.is_file():
            files = [path]
        elif path.exists():
            raise SourceError(f"{shown} is neither a file nor a folder")
        elif glob.has_magic(str(path)):
            files = [Path(name) for name in glob.glob(str(path), recursive=True)]
            files = [file for file in files if file.is_file()]
            if not files:
                raise SourceError(f"{shown}: no file matches")
        else:
            raise SourceError(f"{shown} does not exist")
    except OSError as exc:
        raise SourceError(f"{shown} cannot be read: {exc.strerror}") from exc
    return sorted(files, key=natural_key)


class ReplaySource:
    """Plays images or a video from disk.

    Parameters
    ----------
    path : str
        An image, a folder (its images in natural order), a glob, or a video file, decoded by
        OpenCV to 8-bit BGR.
    options : ReplayOptions

    Raises
    ------
    SourceError
        If there is nothing to play.

    Notes
    -----
    A file that cannot be decoded costs one frame, which counts in `gaps`, and is named in the
    log; the stream goes on with the next one.
    """

    def __init__(self, path: str, options: ReplayOptions) -> None:
        self.options = options
        self._files = _find(path)
        self._gaps = 0
        self._number = 0
        self._damaged = 0
        self._closed = False
        self._capture: Any = None  # cv2.VideoCapture of a video
        self._video_fps: float | None = None
        self._video = (
            len(self._files) == 1 and self._files[0].suffix.lower() not in IMAGE_SUFFIXES
        ) and self._open_video()
        if self._video and options.cfa is not None:
            self.close()
            raise SourceError(
                f"replay:{_shown(path)}: got cfa={options.cfa}, but a video is decoded to colour: "
                "want images of one channel"
            )
        if self._video:
            self._description = f"replay of the video {_shown(self._files[0].name)}"
        elif len(self._files) == 1:
            self._description = f"replay of the image {_shown(self._files[0].name)}"
        else:
            folder = _shown(self._files[0].parent.name or str(self._files[0].parent))
            self._description = f"replay of {len(self._files)} images in {folder}"

    @property
    def description(self) -> str:
        """What is played."""
        return self._description

    @property
    def live(self) -> bool:
        """False: the pipeline sets the pace."""
        return False

    @property
    def fps(self) -> float | None:
        """As asked for, or the video's own (None if it claims none), or 20 for images."""
        return self.options.fps or (self._video_fps if self._video else IMAGE_FPS)

    @property
    def gaps(self) -> int:
        """Files, or frames of a damaged video, that could not be decoded."""
        return self._gaps

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, again and again with `loop`.

        Raises
        ------
        SourceError
            If nothing at all could be decoded.
        """
        play = self._play_video if self._video else self._play_images
        while not self._closed:
            yield from play()
            if not self.options.loop:
                return

    def interrupt(self) -> None:
        """Nothing to do: the next frame is never far."""

    def close(self) -> None:
        """Release the video file."""
        self._closed = True
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _frame(self, pixels: Pixels, meta: dict[str, Scalar]) -> Frame:
        bits = self.options.bits if self.options.bits and pixels.dtype.itemsize == 2 else 0
        cfa = self.options.cfa or ""
        if cfa:
            pixels = check_mosaic(pixels)
        return Frame(pixels, frame=self._number, significant_bits=bits, cfa=cfa, meta=meta)

    # images

    def _play_images(self) -> Iterator[Frame]:
        played = 0
        failure: ImageFileError | UnsupportedImageError | None = None
        single: Pixels | None = None
        for file in self._files:
            try:
                pixels = read_image(file)
                frame = self._frame(pixels, {"file": _shown(file.name)})
            except (ImageFileError, UnsupportedImageError) as exc:
                failure = exc
                self._skip(file, exc)
                continue
            if len(self._files) == 1:
                single = pixels
            played += 1
            self._number += 1
            yield frame
            if self._closed:
                return
        if not played:
            if len(self._files) == 1 and failure is not None:
                file = self._files[0]
                if file.suffix.lower() in IMAGE_SUFFIXES:
                    raise SourceError(str(failure)) from failure
                raise SourceError(
                    f"replay: {_shown(file.name)} is neither a video nor an image that can be "
                    f"read ({failure})"
                ) from failure
            raise SourceError(
                f"{self._description}: none of the {len(self._files)} files can be decoded; "
                f"the last: {failure}"
            ) from failure
        # One image in a loop is decoded once.
        while single is not None and self.options.loop and not self._closed:
            frame = self._frame(single, {"file": _shown(self._files[0].name)})
            self._number += 1
            yield frame

    def _skip(self, file: Path, exc: Exception) -> None:
        self._gaps += 1
        self._number += 1
        self._damaged += 1
        count = self._damaged
        # A folder of thousands of damaged files must not fill the disk with log lines.
        if count <= _NAMED_WARNINGS or count & (count - 1) == 0:
            reason = str(exc) if file.name in str(exc) else f"{_shown(file.name)}: {exc}"
            log.warning("frame %d lost, %d in all: %s", self._number - 1, count, reason)

    # video

    def _open_video(self) -> bool:
        """Open the only file as a video; False where FFmpeg takes it for none."""
        try:
            # Only FFmpeg: the image-sequence reader would take `shot01.dat` for a pattern.
            capture = cv2.VideoCapture(str(self._files[0]), cv2.CAP_FFMPEG)
        except cv2.error:
            return False
        if not capture.isOpened():
            capture.release()
            return False
        self._capture = capture
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self._video_fps = fps if math.isfinite(fps) and 0 < fps <= MAX_FPS else None
        return True

    def _play_video(self) -> Iterator[Frame]:
        name = _shown(self._files[0].name)
        if self._capture is None and not self._open_video():
            raise SourceError(f"replay: the video {name} cannot be opened again")
        promised = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        played, reason = 0, "its data end or are damaged"
        try:
            while True:
                try:
                    done, pixels = self._capture.read()
                except cv2.error as exc:
                    done, reason = False, " ".join(str(exc).split())
                if not done:
                    break
                frame = self._frame(pixels, {})
                played += 1
                self._number += 1
                yield frame
                if self._closed:
                    return
        finally:
            if self._capture is not None:
                self._capture.release()
                self._capture = None
        if not played:
            raise SourceError(f"replay: no frame of the video {name} can be decoded ({reason})")
        # Damaged headers claim any count, also negative ones.
        missing = int(promised) - played if 0 < promised < 2**31 else 0
        if missing > max(2, _COUNT_TOLERANCE * promised):
            self._gaps += missing
            self._number += missing
            log.warning(
                "the video %s breaks off after %d of %d frames: %s", name, played, promised, reason
            )
