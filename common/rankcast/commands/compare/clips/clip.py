"""The clip that coders are compared on: a video file or a folder, read again for every trial."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.errors import SettingsError, SourceError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.images import IMAGE_SUFFIXES, read_image
from rankcast.natural_order import natural_key
from rankcast.opencv import cv2
from rankcast.rate_distortion import ClipFormat
from rankcast.recordings import SUFFIX as RECORDING_SUFFIX
from rankcast.recordings import Recording
from rankcast.video import VIDEO_SUFFIXES, VideoFile

PICTURES_FPS: Final = 20.0
"""Frame rate of a folder, and of a clip that states none, as in `replay:`."""
_MAYBE_STILL: Final = frozenset({".gif"})
"""Suffixes of clips that may hold a single picture."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One frame as a file holds it."""

    pixels: Pixels
    significant_bits: int = 0
    cfa: str = ""


def is_clip(path: Path) -> bool:
    """Return True for a folder, and for a file that holds more than one frame of video."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return True
    if suffix in IMAGE_SUFFIXES:
        return False
    if suffix in VIDEO_SUFFIXES - _MAYBE_STILL or is_recording(path):
        return True
    try:
        with VideoFile(path) as video:
            frames = iter(video)
            return next(frames, None) is not None and next(frames, None) is not None
    except SourceError:
        return False  # the reader of pictures says what is wrong with it


class Clip:
    """The first seconds of a clip, as often as they are asked for.

    Parameters
    ----------
    path : Path
        A video file, a recording of one camera, or a folder of pictures and clips in natural order
        of their names.
    seconds : float
        At most so much of it.
    grey : bool
        Convert colour to grey.

    Raises
    ------
    SourceError
        If there is nothing that can be read.
    UnsupportedImageError
        If frames have two channels, or more than three.

    Notes
    -----
    No more than one frame is held. Sides are cropped to even numbers, which 4:2:0 needs, for every
    coder alike.
    """

    def __init__(self, path: Path, seconds: float, *, grey: bool = False) -> None:
        self._path = path
        self._grey = grey
        self._files = _files_of(path)
        self.damaged = 0
        """Frames left out in the latest pass, because they are damaged or lost."""
        fps = PICTURES_FPS
        if is_recording(path):
            fps = _recorded_fps(path)
        elif len(self._files) == 1 and not _is_image(self._files[0]):
            with VideoFile(self._files[0]) as video:
                fps = video.fps or PICTURES_FPS
        self.most_frames = max(2, round(seconds * fps))
        """Most frames of a pass."""
        reading = self._read()
        first = next(reading, None)
        second = next(reading, None)
        reading.close()
        if first is None or second is None:
            held = "no frame that can be decoded" if first is None else "a single frame"
            raise SourceError(f"{path}: holds {held}, want a clip of at least 2 frames")
        if first.pixels.ndim == 3 and first.pixels.shape[2] != 3:
            raise UnsupportedImageError(
                f"{path}: got {first.pixels.shape[2]} channels, want 1 or 3 to compare clips"
            )
        self.shape = first.pixels.shape
        """Shape of the frames in the file."""
        self.format = ClipFormat.of(_even(first.pixels), fps, first.significant_bits, first.cfa)

    @property
    def cropped(self) -> bool:
        """True if a row or a column was left out."""
        return self.shape[:2] != self.format.shape[:2]

    def __iter__(self) -> Iterator[Pixels]:
        """Read the frames.

        Raises
        ------
        SourceError
            If a file cannot be read, or its frames differ from the first frame in shape or depth.
        """
        for number, read in zip(range(self.most_frames), self._read(), strict=False):
            pixels = _even(read.pixels)
            found = ClipFormat.of(pixels, self.format.fps, read.significant_bits, read.cfa)
            if found != self.format:
                raise SourceError(
                    f"{self._path}: frame {number} is {_text(found)}, the first is "
                    f"{_text(self.format)}: want one size and depth throughout"
                )
            yield pixels

    def _read(self) -> Generator[_Read]:
        self.damaged = 0
        for file in self._files:
            if _is_image(file):
                pixels = read_image(file, grey=self._grey)
                yield _Read(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)
            elif is_recording(file):
                yield from self._read_recording(file)
            else:
                yield from self._read_video(file)

    def _read_recording(self, file: Path) -> Iterator[_Read]:
        with Recording(file) as recording:
            for frame in recording:
                self.damaged = recording.lost
                pixels = frame.pixels[:, :, 0] if frame.pixels.shape[2:] == (1,) else frame.pixels
                colour = self._grey and pixels.ndim == 3
                yield _Read(
                    cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if colour else pixels,
                    frame.significant_bits, frame.cfa,
                )  # fmt: skip
            self.damaged = recording.lost

    def _read_video(self, file: Path) -> Iterator[_Read]:
        with VideoFile(file) as video:
            lost = 0
            for frame in video:
                self.damaged += video.lost - lost
                lost = video.lost
                if frame.corrupt or frame.tainted:
                    self.damaged += 1
                    continue
                colour = self._grey and frame.pixels.ndim == 3
                pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2GRAY) if colour else frame.pixels
                yield _Read(pixels, frame.significant_bits, frame.cfa)
            self.damaged += video.lost - lost


def is_recording(path: Path) -> bool:
    """Return True for a recording of Rankcast."""
    return path.suffix.lower() == RECORDING_SUFFIX


def _recorded_fps(path: Path) -> float:
    """Return the frame rate of a recording, by its capture times."""
    with Recording(path) as recording:
        if len(recording.cameras) > 1:
            raise SettingsError(
                f"{path}: holds cameras {', '.join(recording.cameras)}, want one: compare what "
                "`rankcast export --camera NAME --to png` writes"
            )
        return recording.frame_rate() or PICTURES_FPS


def _files_of(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    try:
        found = [
            file
            for file in path.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
            # macOS and editors create files with a leading dot next to pictures.
            and not file.name.startswith(".")
            and file.is_file()
        ]
    except OSError as exc:
        raise SourceError(f"{path}: cannot be read: {exc.strerror}") from exc
    if not found:
        raise SourceError(
            f"{path}: the folder contains no picture or clip with a known suffix, such as .png or "
            ".mp4"
        )
    return tuple(sorted(found, key=natural_key))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


def _even(pixels: Pixels) -> Pixels:
    height, width = (side - side % 2 for side in pixels.shape[:2])
    return pixels[:height, :width]


def _text(found: ClipFormat) -> str:
    kind = "colour" if found.colour else "grey"
    return f"{found.shape[1]} x {found.shape[0]} {kind} of {found.bits} bits"
