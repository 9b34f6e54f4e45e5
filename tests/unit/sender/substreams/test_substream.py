"""One substream beside its camera: what it encodes, counts, and when it fails alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pytest

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.publisher import Publisher
from rankcast_sender.substreams import Reduction, Substream, stream_sizes

WAIT_S = 10.0
HALF = Reduction(2)


class Encoded:
    """Stands in for a publisher: keeps what it would encode; `gate` holds it up."""

    def __init__(self, refuses: bool = False) -> None:
        self.camera = Camera(StreamOptions("line3.sub"))
        self.name = self.camera.name
        self.frames: list[Frame] = []
        self.gate = threading.Event()
        self.gate.set()
        self.encoding = threading.Event()
        self.closed = False
        self._refuses = refuses

    def encode(self, frame: Frame) -> Frame:
        self.encoding.set()
        assert self.gate.wait(WAIT_S)
        if self._refuses:
            self.camera.ledger.lose("encode")
            raise UnsupportedImageError("the codec takes no such picture")
        return frame

    def publish(self, frame: Frame) -> int:
        self.frames.append(frame)
        self.camera.ledger.passed()
        return len(self.frames) - 1

    def close(self) -> None:
        self.closed = self.camera.ended = True


@contextmanager
def beside(
    publisher: Encoded, reduction: Reduction = HALF, fps: float = 0.0, viewers: int = 1
) -> Iterator[tuple[Substream, Camera]]:  # fmt: skip
    main = Camera(StreamOptions("line3"))
    substream = Substream(cast(Publisher, publisher), main, reduction, fps)
    main.streams = lambda: stream_sizes(main, [substream])
    publisher.camera.channel.viewers = viewers
    substream.start()
    try:
        yield substream, main
    finally:
        publisher.gate.set()
        substream.stop()
        substream.worker.join(WAIT_S)
    assert publisher.closed
    assert publisher.camera.balance().under_way == 0


def frame(number: int, **options: Any) -> Frame:
    options.setdefault("pixels", np.full((48, 64), number, np.uint8))
    return Frame(frame=number, t_capture_mono_ns=1 + round(number * 1e9 / 30), **options)


def lost(camera: Camera) -> dict[str, int]:
    return dict(camera.balance().lost)


def test_frames_are_reduced_and_keep_the_number_of_their_camera() -> None:
    publisher = Encoded()
    with beside(publisher) as (substream, _):
        substream.offer(frame(7))
    assert [(each.frame, each.pixels.shape) for each in publisher.frames] == [(7, (24, 32))]


def test_nobody_watching_costs_a_count() -> None:
    publisher = Encoded()
    with beside(publisher, viewers=0) as (substream, _):
        for number in range(5):
            substream.offer(frame(number))
    assert publisher.frames == []
    assert lost(publisher.camera) == {"nobody_watching": 5}


def test_a_slow_substream_never_holds_up_the_grab_thread() -> None:
    publisher = Encoded()
    publisher.gate.clear()
    with beside(publisher) as (substream, _):
        substream.offer(frame(0))
        assert publisher.encoding.wait(WAIT_S)
        for number in range(1, 9):
            substream.offer(frame(number))  # returns although nothing is encoded
        publisher.gate.set()
    assert [each.frame for each in publisher.frames] == [0, 8]
    assert lost(publisher.camera) == {"mailbox": 7}


def test_frames_beyond_its_rate_never_enter_the_ledger() -> None:
    publisher = Encoded()
    with beside(publisher, fps=10.0, viewers=0) as (substream, _):
        for number in range(30):
            substream.offer(frame(number))
        assert substream.camera.source.frame_interval_s == pytest.approx(0.1)
    assert publisher.camera.balance().entered == 10


def test_a_part_outside_the_picture_ends_this_stream_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = Encoded()
    with beside(publisher, Reduction(1, (60, 0, 10, 10)), viewers=0) as (substream, main):
        substream.offer(frame(0))
        substream.offer(frame(1))
        main.grabbed(frame(1))
        assert main.streams() == {"main": "64x48", "sub": "+60+0"}
    assert publisher.camera.state == "failed"
    assert main.state == "live"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["line3.sub"]
    assert publisher.camera.balance().entered == 0


def test_a_codec_that_takes_no_picture_of_it_ends_this_stream_alone() -> None:
    publisher = Encoded(refuses=True)
    with beside(publisher) as (substream, main):
        substream.offer(frame(0))
        substream.worker.join(WAIT_S)
        substream.offer(frame(1))
    assert publisher.camera.state == "failed"
    assert main.state == "live"
    assert lost(publisher.camera) == {"encode": 1}


def test_the_sizes_of_all_streams_are_known_from_the_first_picture() -> None:
    publisher = Encoded()
    with beside(publisher, Reduction(4, (0, 0, 32, 16))) as (_, main):
        assert main.streams() == {"main": "", "sub": "+0+0"}
        main.grabbed(frame(0))
        assert main.streams() == {"main": "64x48", "sub": "8x4+0+0"}
        assert publisher.camera.streams() == main.streams()
        assert publisher.camera.status().streams == main.streams()
