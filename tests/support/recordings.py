"""Small recordings for tests: packets of cameras, and the bytes of damaged files."""

from __future__ import annotations

import time
from pathlib import Path

import rankcast
from rankcast.frame import Pixels
from rankcast.recordings import (
    RecordedMessage,
    RecorderClock,
    RecordingOptions,
    RecordingReader,
    RecordingWriter,
    SegmentReader,
)
from support.moving_scene import scene


def pictures(count: int, shape: tuple[int, ...] = (40, 64), dtype: str = "uint8") -> list[Pixels]:
    """Return pictures that all differ, each like the one before."""
    return [scene(number, shape, dtype) for number in range(count)]


def packets_of(codec: str, images: list[Pixels], group: int = 0) -> list[bytes]:
    """Return the packets of a stream with a key frame every `group` pictures."""
    encoder = rankcast.Encoder(codec)
    made = []
    for number, image in enumerate(images):
        if group and number % group == 0:
            encoder.request_keyframe()
        made.append(encoder.encode(image))
    return made


def record(
    path: Path, cameras: dict[str, list[bytes]], options: RecordingOptions | None = None
) -> None:
    """Record the packets of cameras in turn."""
    with RecordingWriter(path, options) as writer:
        for turn in range(max(map(len, cameras.values()))):
            for camera, packets in cameras.items():
                if turn < len(packets):
                    writer.write(camera, packets[turn])


def record_in_time(path: Path, cameras: dict[str, list[bytes]], fps: float) -> None:
    """Record as `record` does, as if the packets had come at this rate."""
    begin_ns = time.time_ns() // 10**9 * 10**9
    clock = RecorderClock(lambda: begin_ns, lambda: 0)
    with RecordingWriter(path, clock=clock) as writer:
        for turn in range(max(map(len, cameras.values()))):
            for camera, packets in cameras.items():
                if turn < len(packets):
                    t_ns = begin_ns + round(turn * 1e9 / fps)
                    writer.write(camera, packets[turn], t_recorded_ns=t_ns)


def messages_of(path: Path) -> list[RecordedMessage]:
    """Return all messages of a recording."""
    with RecordingReader(path) as reader:
        return list(reader)


def frames_of(path: Path) -> dict[str, list[bytes]]:
    """Return the packets of the frames of each camera of a recording."""
    found: dict[str, list[bytes]] = {}
    for message in messages_of(path):
        if message.kind == "frames":
            found.setdefault(message.camera, []).append(bytes(message.data))
    return found


def frames_in(segment: Path) -> list[tuple[str, bytes]]:
    """Return the cameras and packets of the frames of one file, in their order."""
    with SegmentReader(segment) as reader:
        return [(one.camera, bytes(one.data)) for one in reader if one.kind == "frames"]


def overwrite(path: Path, place: int, data: bytes) -> bytes:
    """Overwrite a place of a file; return what was there."""
    with path.open("r+b") as file:
        file.seek(place)
        before = file.read(len(data))
        file.seek(place)
        file.write(data)
    return before
