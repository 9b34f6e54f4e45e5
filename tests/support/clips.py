"""Clips written with PyAV, and the damage that tests do to them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

Picture = NDArray[Any]


def gradients(count: int, height: int = 48, width: int = 64) -> list[Picture]:
    """Colour pictures, each brighter than the one before and with a bar that moves."""
    pictures = []
    for number in range(count):
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.linspace(0, 100, width).astype(np.uint8)[None, :, None]
        picture += np.uint8(2 * number)
        picture[:, (2 * number) % width :][:, :4] = (200, 120, 40)
        pictures.append(picture)
    return pictures


def plane_frame(planes: Sequence[Picture], pixel_format: str) -> av.VideoFrame:
    """A frame of a planar pixel format with exactly these samples."""
    frame = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        row = np.zeros((plane.height, plane.line_size // samples.itemsize), samples.dtype)
        row[:, : samples.shape[1]] = samples
        plane.update(row.tobytes())
    return frame


def write_clip(
    path: Path,
    pictures: Iterable[Picture | av.VideoFrame],
    codec: str = "mjpeg",
    *,
    pixel_format: str = "yuvj420p",
    rate: int = 25,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    matrix: Colorspace | None = None,
    colour_range: ColorRange | None = None,
    interlaced: bool = False,
    gop: int = 12,
) -> None:
    """Encode pictures (BGR arrays, or frames in `pixel_format`) into a clip.

    `times` are presentation times in seconds; by default those of `rate`.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate, options=options)
        context = stream.codec_context
        context.pix_fmt = pixel_format
        context.gop_size = gop
        context.time_base = Fraction(1, 1000 if times else rate)
        if interlaced:
            context.flags |= av.codec.context.Flags.interlaced_dct
            context.flags |= av.codec.context.Flags.interlaced_me
        if colour_range is not None:
            context.color_range = colour_range
        if matrix is not None:
            context.colorspace = matrix
        for number, picture in enumerate(pictures):
            if isinstance(picture, av.VideoFrame):
                frame = picture
            else:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")
                frame = frame.reformat(format=pixel_format)
            if number == 0:
                context.width, context.height = frame.width, frame.height
            frame.pts = round(1000 * times[number]) if times else number
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Offset and size of each packet of video in the file."""
    with av.open(str(path)) as container:
        packets = [one for one in container.demux(container.streams.video[0]) if one.size]
        places = []
        for packet in packets:
            assert packet.pos is not None
            places.append((packet.pos, packet.size))
        return places


def damage_packets(path: Path, numbers: Iterable[int], *, keep: float = 0.0) -> None:
    """Overwrite packets with noise, behind a share of `keep` of their bytes."""
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    rng = np.random.default_rng(1)
    for number in numbers:
        offset, size = places[number]
        begin = offset + round(keep * size)
        data[begin : offset + size] = rng.bytes(offset + size - begin)
    path.write_bytes(data)


def rotate_mp4(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Set the display matrix of the first track (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    matrix = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
