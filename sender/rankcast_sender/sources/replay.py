"""``replay:PATH``: images and clips from disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from rankcast.errors import ImageFileError, RankcastError, SourceError, UnsupportedImageError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.images import load_image
from rankcast.printable import printable
from rankcast.video import VideoFile
from rankcast_sender.sources.mosaic import Cfa, check_mosaic
from rankcast_sender.sources.replay_clock import IMAGE_FPS, ReplayClock
from rankcast_sender.sources.replay_files import find_files, is_image, is_video
from rankcast_sender.sources.uri import SourceOptions

log = logging.getLogger(__name__)

_NAMED_WARNINGS: Final = 8
_NAMED_FILES: Final = 5
_NAME_CHARACTERS: Final = 200


class ReplayOptions(SourceOptions):
    """Options of ``replay:``; without `fps` clips follow their timestamps, images run at 20."""

    loop: bool = False
    """Start again at the end; frame numbers continue."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Significant bits of 16-bit pictures; by default all of an image, those of a clip's format."""
    cfa: Cfa | None = None
    """The pictures are mosaics of a raw colour sensor with this colour filter array."""
    damaged: Literal["skip", "send"] = "skip"
    """A damaged picture counts as lost, or is sent with ``damaged: true`` in its metadata."""


class ReplaySource:
    """Plays images and clips from disk as one stream.

    Parameters
    ----------
    path : str
        An image, a clip, a folder of both (played in natural order of their names), or a glob.
    options : ReplayOptions

    Raises
    ------
    SourceError
        If there is nothing to play.

    Notes
    -----
    An image that cannot be decoded, and each frame that the decoder of a clip refuses, counts in
    `gaps` and is named in the log; the replay continues after it. Frames of a clip predicted from
    a lost one carry ``damaged: true`` until the next key frame.
    """

    def __init__(self, path: str, options: ReplayOptions) -> None:
        self.options = options
        found = find_files(path)
        self._files = found.files
        self._gaps = 0
        self._marked = 0
        self._number = 0
        self._played = 0
        self._closed = False
        self._failure: RankcastError | None = None
        self._clock = ReplayClock(options.fps)
        self._video: VideoFile | None = None
        """The clip that is being played; the only clip is opened by the constructor."""
        if found.passed_over:
            names = [other.name for other in found.passed_over[:_NAMED_FILES]]
            rest = len(found.passed_over) - len(names)
            log.warning(
                "replay:%s: skipping %d entries that are neither images nor clips: %s%s",
                path, len(found.passed_over), ", ".join(names),
                f" and {rest} more" if rest else "",
            )  # fmt: skip
        if len(self._files) == 1 and not is_image(self._files[0]):
            try:
                self._video = VideoFile(self._files[0])
            except SourceError as exc:
                log.debug("%s", exc)  # the iteration tries it as an image
        self._single_clip = self._video is not None
        self._clip_fps = None if self._video is None else self._video.fps
        if self._video is not None:
            self._clock.begin_clip(self._clip_fps)
            try:
                self._check_channels(self._video)
            except SourceError:
                self.close()
                raise
        self._description = self._describe()

    def _describe(self) -> str:
        if len(self._files) == 1:
            kind = "video" if self._single_clip else "image"
            return f"replay of the {kind} {_shown(self._files[0].name)}"
        images, clips = (sum(map(test, self._files)) for test in (is_image, is_video))
        counts = {
            "images": images,
            "clips": clips,
            "other files": len(self._files) - images - clips,
        }
        what = " and ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        folder = self._files[0].parent
        return f"replay of {what} in {_shown(folder.name or str(folder))}"

    @property
    def description(self) -> str:
        """Name and kind of the files."""
        return self._description

    @property
    def live(self) -> bool:
        """False: the pipeline sets the pace."""
        return False

    @property
    def fps(self) -> float | None:
        """As configured, or the average rate of a single clip (None if unknown), or 20."""
        if self.options.fps is not None or not self._single_clip:
            return self.options.fps or IMAGE_FPS
        return self._clip_fps

    @property
    def frame_interval_s(self) -> float | None:
        """The longer of the mean interval and the last one."""
        return self._clock.interval_s

    @property
    def due_s(self) -> float:
        """Due time of the last yielded frame, in seconds after the first one."""
        return self._clock.due_s

    @property
    def gaps(self) -> int:
        """Images and frames of clips that could not be decoded."""
        return self._gaps

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, over and over with `loop`.

        Raises
        ------
        SourceError
            If none of the files can be decoded.
        """
        while not self._closed:
            before = self._played
            yield from self._play_all()
            if self._played == before:
                raise self._nothing_played()
            if not self.options.loop:
                return

    def _play_all(self) -> Iterator[Frame]:
        for file in self._files:
            frame: Frame | None = None
            try:
                for frame in self._play(file):
                    self._played += 1
                    self._number += 1
                    yield frame
                    if self._closed:
                        return
            except (ImageFileError, UnsupportedImageError, SourceError) as exc:
                self._failure = exc
                if len(self._files) > 1 or frame is not None:
                    self._lose(1, _reason(file, exc))
        if self.options.loop and len(self._files) == 1 and not self._single_clip and frame:
            yield from self._repeat(frame)

    def _repeat(self, frame: Frame) -> Iterator[Frame]:
        """Yield a single image, which is decoded once, until the source is closed."""
        while not self._closed:
            self._clock.place_image()
            yield replace(frame, frame=self._number)
            self._number += 1

    def _nothing_played(self) -> SourceError:
        if len(self._files) > 1:
            return SourceError(
                f"{self._description}: none of the {len(self._files)} files can be decoded; "
                f"the last: {self._failure}"
            )
        return SourceError(f"replay: {_reason(self._files[0], self._failure)}")

    def interrupt(self) -> None:
        """Do nothing: the next frame is at most one read from disk away."""

    def close(self) -> None:
        """Close the clip that is being played; may be called twice."""
        self._closed = True
        self._close_video()

    def _close_video(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None

    def _play(self, file: Path) -> Iterator[Frame]:
        if is_image(file):
            yield self._image(file)
            return
        try:
            if self._video is None:
                self._video = VideoFile(file)
        except SourceError as exc:
            if self._single_clip:
                raise
            # An image may have any file name.
            try:
                yield self._image(file)
            except (ImageFileError, UnsupportedImageError) as image_error:
                reason = exc if is_video(file) else image_error
                raise SourceError(
                    f"{file.name} is neither a video nor an image that can be read ({reason})"
                ) from image_error
            return
        try:
            self._check_channels(self._video)
            yield from self._clip(file, self._video)
        finally:
            self._close_video()

    def _check_channels(self, video: VideoFile) -> None:
        """Reject a colour clip if the options declare mosaics."""
        if self.options.cfa is not None and video.channels == 3:
            raise SourceError(
                f"replay:{video.path.name}: cfa={self.options.cfa} needs pictures of one channel, "
                "but this clip is decoded to colour"
            )

    def _image(self, file: Path) -> Frame:
        mode: Literal["mark", "refuse"] = "mark" if self.options.damaged == "send" else "refuse"
        loaded = load_image(file, damaged=mode)
        meta: dict[str, Scalar] = {"file": _shown(file.name)}
        if loaded.damage:
            meta["damaged"] = True
            self._mark(1, f"{file.name}: {loaded.damage}")
        self._clock.place_image()
        return self._frame(loaded.pixels, meta, 0)

    def _clip(self, file: Path, video: VideoFile) -> Iterator[Frame]:
        played = skipped = tainted = lost = 0
        self._clock.begin_clip(video.fps)
        for picture in video:
            self._lose(video.lost - lost, f"{file.name}: {video.fault}")
            lost = video.lost
            if picture.corrupt:
                if self.options.damaged == "skip":
                    skipped += 1
                    self._lose(1, f"{file.name}: the decoder reports a damaged picture")
                    continue
                self._mark(1, f"{file.name}: the decoder reports a damaged picture")
            tainted += picture.tainted
            played += 1
            self._clock.place_clip_frame(picture.time_s, picture.duration_s)
            meta: dict[str, Scalar] = {}
            if len(self._files) > 1:
                meta["file"] = _shown(file.name)
            if picture.corrupt or picture.tainted:
                meta["damaged"] = True
            yield self._frame(picture.pixels, meta, picture.significant_bits, picture.cfa)
            if self._closed:
                return
        if tainted:
            self._mark(tainted, f"{file.name}: predicted from a lost or damaged frame")
        if not played:
            reason = video.fault or "the file ends before the first frame"
            raise SourceError(f"no frame of the video {file.name} can be decoded ({reason})")
        if video.lost > lost:
            total = played + skipped + video.lost
            self._lose(
                video.lost - lost,
                f"the video {file.name} breaks off after {played} of {total} frames: {video.fault}",
            )

    def _frame(
        self, pixels: Pixels, meta: dict[str, Scalar], significant_bits: int, cfa: str = ""
    ) -> Frame:
        bits = significant_bits
        if self.options.bits and pixels.dtype.itemsize == 2:
            bits = self.options.bits
        cfa = self.options.cfa or cfa
        if cfa:
            pixels = check_mosaic(pixels)
        return Frame(pixels, frame=self._number, significant_bits=bits, cfa=cfa, meta=meta)

    def _lose(self, count: int, reason: str) -> None:
        if not count:
            return
        before = self._gaps
        self._gaps += count
        if _is_named(before, self._gaps):
            log.warning("frame %d lost, %d in all: %s", self._number, self._gaps, reason)
        self._number += count

    def _mark(self, count: int, reason: str) -> None:
        before = self._marked
        self._marked += count
        if _is_named(before, self._marked):
            log.warning(
                "frame %d sent with damaged: true, %d in all: %s",
                self._number, self._marked, reason,
            )  # fmt: skip


def _shown(name: str) -> str:
    # File names reach terminals and, at the receiver, the tags of saved files.
    return printable(name)[:_NAME_CHARACTERS]


def _is_named(before: int, after: int) -> bool:
    """Return True if a counter passed one of the first values or a power of two."""
    return before < _NAMED_WARNINGS or before.bit_length() != after.bit_length()


def _reason(file: Path, exc: Exception | None) -> str:
    return str(exc) if file.name in str(exc) else f"{file.name}: {exc}"
