"""Bytes per frame, and bandwidth per viewer, by codec and size.

    python benchmarks/sizing.py [--data DIR] [--quick] [--output FILE.json]

With ``--data`` the frames are those of a clip in video/, scaled; otherwise of the conveyor with its
default noise. A sender sends every frame to each viewer: multiply by the number of viewers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

import codec_pictures
from command_line import data_name, finish, option_parser
from record import Record, Row, rounded

import rankcast

FPS: Final = 20


@dataclass(frozen=True, slots=True)
class Stream:
    """A codec with options, and the sizes at which it is measured."""

    codec: str
    options: dict[str, Any]
    sizes: tuple[tuple[int, int], ...] = ((1280, 720),)

    @property
    def name(self) -> str:
        """Codec and options, as set by the user."""
        return " ".join([self.codec, *(f"{key}={value}" for key, value in self.options.items())])


STREAMS: Final = (
    Stream("svd-patch", {"quality": 75}, ((640, 360), (1280, 720), (1920, 1080))),
    Stream("svd-patch", {"quality": 50}),
    Stream("svd-patch", {"quality": 90}),
    Stream("svd", {"rank": 0.1}),
    Stream("kmeans", {"k": 20}),
    Stream("jpeg", {"quality": 75}),
    Stream("lossless", {}),
    Stream("raw", {}),
)


def frame_bytes(stream: Stream, frames: list[Any]) -> float:
    """Return the mean size of a packet, key frames included."""
    encoder = rankcast.Encoder(stream.codec, **stream.options)
    return sum(len(encoder.encode(frame)) for frame in frames) / len(frames)


def rows(stream: Stream, width: int, height: int, packet_bytes: float) -> list[Row]:
    """Return size and bit rate of one stream."""
    name = f"{stream.name}, {width} x {height}"
    ratio = packet_bytes / (3 * width * height)
    return [
        Row(f"{name}: a frame", packet_bytes / 1e3, "kB", None, "its samples", ratio),
        Row(f"{name}: a viewer at {FPS} fps", 8e-6 * FPS * packet_bytes, "Mbit/s"),
    ]


def main() -> int:
    """Encode every stream and write the record."""
    options = option_parser(__doc__, data=True).parse_args()
    count = 20 if options.quick else 100
    found = []
    for stream in STREAMS:
        for width, height in stream.sizes:
            if options.data:
                frames = codec_pictures.scene("moving", options.data, count, width, height)
            else:
                frames = codec_pictures.conveyor(count, width=width, height=height)
            found += rows(stream, width, height, frame_bytes(stream, frames))
    record = Record(
        "sizing",
        "Sizing a link",
        f"Mean size of {count} frames in 8-bit colour from the first key frame on, and the bit rate"
        f" of one viewer at {FPS} fps; every viewer gets a copy of its own. Leave a third of the"
        " link free.",
        rounded(found),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
