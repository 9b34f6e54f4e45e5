"""Substream: a smaller stream of a camera, encoded in a thread of its own while it is watched."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from rankcast.errors import RankcastError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.runtime import ENCODE, MAILBOX, NOBODY_WATCHING, LogLimiter, Worker
from rankcast.wire import MAIN, split_stream
from rankcast_sender.camera import Camera, FollowedSource
from rankcast_sender.publisher import Publisher
from rankcast_sender.substreams.reduction import Reduction
from rankcast_sender.substreams.thinning import Thinning

log = logging.getLogger(__name__)


class Substream:
    """One substream of a camera.

    The grab thread offers every frame of the camera. Frames of the rate that the substream leaves
    out do not count; all others are encoded here, or counted as lost with their cause.

    Parameters
    ----------
    publisher : Publisher
        Of the stream ``NAME.SUB``; closed at the end of the stream.
    main : Camera
        The camera, whose source is also that of this stream.
    reduction : Reduction
    fps : float
        Most frames per second; 0 is all of them.
    """

    def __init__(
        self, publisher: Publisher, main: Camera, reduction: Reduction, fps: float = 0.0
    ) -> None:
        self.publisher = publisher
        self.camera = publisher.camera
        """State of the stream, for the other threads of the sender."""
        self.name = split_stream(publisher.name)[1]
        """Its name, without that of the camera."""
        self._main = main
        self.reduction = reduction
        self._thinning = Thinning(fps)
        self._source = FollowedSource(main.source, 1.0 / fps if fps else 0.0)
        self.camera.follow(main, self._source)
        self._shape: tuple[int, ...] = ()
        self._failed = False
        self._errors = LogLimiter()
        self.worker = Worker(
            "rankcast-substream", self._encode, self._ended, task=f"encoder of {publisher.name}"
        )
        """Encodes; joined by the pipeline of the camera."""

    def size(self) -> tuple[int, int] | None:
        """Return width and height; None before the first picture, and if there is no such part."""
        if self._main.picture_size is None:
            return None
        try:
            return self.reduction.size_of(*self._main.picture_size, mosaic=self._main.mosaic)
        except UnsupportedImageError:
            return None

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def offer(self, frame: Frame) -> None:
        """Hand over a frame of the camera, without waiting; from the grab thread."""
        if self._failed:
            return
        if frame.pixels.shape != self._shape:
            self._shape = frame.pixels.shape
            if not self._fits(frame):
                return
        if not self._thinning.takes(frame.t_capture_mono_ns):
            return
        camera = self.camera
        if camera.watched:
            camera.put_followed(frame)
        else:
            camera.keyframes.nobody_watches()
            camera.lose(NOBODY_WATCHING)

    def stop(self) -> None:
        """Take no more frames: the thread ends when it has encoded what waits."""
        self.camera.mailbox.close()

    def _fits(self, frame: Frame) -> bool:
        height, width = frame.pixels.shape[:2]
        try:
            self.reduction.size_of(width, height, mosaic=bool(frame.cfa))
        except UnsupportedImageError as exc:
            self._fail(exc)
            return False
        return True

    def _fail(self, cause: RankcastError) -> None:
        """End this stream alone."""
        self._failed = True
        self._source.failed(retry=False)
        log.error("%s: the stream has failed: %s; the camera continues", self.publisher.name, cause)
        self.camera.mailbox.close()

    def _encode(self) -> None:
        camera, publisher = self.camera, self.publisher
        for frame in camera.mailbox:
            if self._failed:
                camera.ledger.lose(MAILBOX)
                continue
            camera.pulse.beat()
            try:
                reduced = self.reduction.apply(frame)
            except UnsupportedImageError as exc:  # a picture of another size
                camera.ledger.lose(ENCODE)
                self._fail(exc)
                continue
            del frame  # the next one may then be grabbed into its memory
            try:
                publisher.publish(publisher.encode(reduced))
            except UnsupportedImageError as exc:
                if not camera.figures.packet_bytes and not camera.codec_settings.touched:
                    self._fail(exc)
                elif self._errors.may_log():
                    log.warning("%s: frame %d not encoded: %s", publisher.name, reduced.frame, exc)
            camera.pulse.rest()

    def _ended(self) -> None:
        self.camera.pulse.rest()
        self.camera.discard()
        self.publisher.close()


def stream_sizes(main: Camera, substreams: Sequence[Substream]) -> Mapping[str, str]:
    """Return the sizes of all streams of a camera by name, as its status tells them."""
    sizes = {each.name: _text(each.size()) + each.reduction.place for each in substreams}
    return {MAIN: _text(main.picture_size), **sizes}


def _text(size: tuple[int, int] | None) -> str:
    return f"{size[0]}x{size[1]}" if size else ""
