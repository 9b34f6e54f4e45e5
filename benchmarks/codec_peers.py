"""Rankcast and the coders it is compared with, behind a common interface.

Bytes are complete: a file with its headers, the packets of a stream with parameter sets. Only the
text with which x264 records its settings in the first picture is excluded, because no decoder needs
it and it would favour Rankcast on short clips.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, TypeAlias

import av
import imagecodecs
import numpy as np
from codec_curves import Point
from PIL import Image

import rankcast
from rankcast.opencv import cv2
from rankcast.wire import unpack

Pixels: TypeAlias = Any
"""(H, W) or (H, W, 3) BGR, uint8 or uint16."""

# Rows: luma, Cb and Cr of full-range BT.601 from blue, green and red.
_BT601: Final = np.array(
    [[0.114, 0.587, 0.299], [0.5, -0.331264, -0.168736], [-0.081312, -0.418688, 0.5]], np.float32
)
FPS: Final = 30


class Fidelity:
    """Squared errors of decoded pictures, pooled over a stream.

    Luma and chroma are computed from the decoded BGR, unrounded, in the same way for every coder.
    Bytes are compared at equal luma PSNR; chroma PSNR is reported too, so that bytes saved there
    are visible.
    """

    def __init__(self, dtype: Any = np.uint8) -> None:
        self._peak = float(np.iinfo(dtype).max)
        self._pixels = 0
        self._luma = self._chroma = 0.0
        self._colour = False

    def add(self, original: Pixels, decoded: Pixels) -> None:
        """Count one picture."""
        difference = cv2.subtract(original, decoded, dtype=cv2.CV_32F)
        self._pixels += original.shape[0] * original.shape[1]
        if difference.ndim == 3:
            self._colour = True
            difference = cv2.transform(difference, _BT601)
            luma = cv2.norm(cv2.extractChannel(difference, 0), cv2.NORM_L2SQR)
            self._chroma += cv2.norm(difference, cv2.NORM_L2SQR) - luma
            self._luma += luma
        else:
            self._luma += cv2.norm(difference, cv2.NORM_L2SQR)

    def point(self, setting: str, size_bytes: float) -> Point:
        """Return the accumulated quality with its cost in bytes."""
        chroma = self._db(self._chroma, 2 * self._pixels) if self._colour else None
        return Point(setting, size_bytes, self._db(self._luma, self._pixels), chroma)

    def _db(self, error: float, samples: int) -> float:
        return 10 * math.log10(self._peak**2 * samples / error) if error else math.inf


def picture_point(setting: str, size_bytes: float, original: Pixels, decoded: Pixels) -> Point:
    """Point of a single picture."""
    fidelity = Fidelity(original.dtype)
    fidelity.add(original, decoded)
    return fidelity.point(setting, size_bytes)


def stream_point(
    frames: Sequence[Pixels],
    setting: str,
    encode: Callable[[Pixels], bytes],
    decode: Callable[[bytes], Pixels],
) -> Point:
    """Point of a stream with one packet per frame."""
    size, fidelity = 0, Fidelity(frames[0].dtype)
    for frame in frames:
        packet = encode(frame)
        size += len(packet)
        fidelity.add(frame, decode(packet))
    return fidelity.point(setting, size)


def rankcast_point(frames: Sequence[Pixels], codec: str, **options: Any) -> Point:
    """Code frames as one stream of Rankcast and decode them again."""
    encoder, decoder = rankcast.Encoder(codec, **options), rankcast.Decoder()
    header_bytes = 0

    def decode(data: bytes) -> Pixels:
        nonlocal header_bytes
        packet = unpack(data)
        header_bytes += packet.size - len(packet.body)
        return decoder.decode_packet(packet)

    setting = " ".join(f"{name}={value}" for name, value in options.items())
    point = stream_point(frames, setting, encoder.encode, decode)
    return replace(point, header_bytes=header_bytes)


def jpeg_encode(image: Pixels, quality: int) -> bytes:
    """libjpeg-turbo, optimised Huffman tables, 4:2:0."""
    parameters = [
        cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]  # fmt: skip
    return bytes(cv2.imencode(".jpg", image, parameters)[1])


def decode_file(data: bytes) -> Pixels:
    """Decode any file that OpenCV supports, keeping grey as grey."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def jpeg_point(frames: Sequence[Pixels], quality: int) -> Point:
    """Point of a single JPEG, or of MJPEG for several frames."""
    return stream_point(frames, f"q={quality}", lambda f: jpeg_encode(f, quality), decode_file)


def webp_opencv_point(image: Pixels, quality: int) -> Point:
    """WebP as OpenCV writes it: method 4."""
    data = bytes(cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1])
    return picture_point(f"q={quality}", len(data), image, decode_file(data))


def webp_pillow_point(image: Pixels, quality: int) -> Point:
    """WebP with its slowest search, method 6, through Pillow."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(
        stream, "WEBP", quality=quality, method=6
    )
    data = stream.getvalue()
    return picture_point(f"q={quality}", len(data), image, decode_file(data))


def svd_float32_points(image: Pixels, ranks: Sequence[int]) -> list[Point]:
    """Return points of the articles' method: U, s and Vt of every channel, rank k, as float32."""
    channels = image[:, :, None] if image.ndim == 2 else image
    factors = [
        np.linalg.svd(channels[:, :, c].astype(np.float32), full_matrices=False)
        for c in range(channels.shape[2])
    ]
    height, width, count = channels.shape
    points = []
    for k in sorted({min(k, height, width) for k in ranks}):
        planes = [(u[:, :k] * s[:k]) @ vt[:k] for u, s, vt in factors]
        rebuilt = np.clip(np.rint(np.stack(planes, axis=-1)), 0, 255).astype(np.uint8)
        points.append(
            picture_point(
                f"k={k}", 4 * count * k * (height + width + 1), image, rebuilt.reshape(image.shape)
            )
        )
    return points


class X264:
    """One stream of x264 with zero latency; BGR or grey in, packets out."""

    def __init__(
        self, shape: tuple[int, ...], preset: str, crf: float, gop: int, threads: int = 1
    ) -> None:
        height, width = (side - side % 2 for side in shape[:2])
        self._size = height, width
        self._grey = len(shape) == 2
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height = width, height
        context.pix_fmt = "gray" if self._grey else "yuv420p"
        context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
        context.gop_size, context.thread_count = gop, threads
        # BT.601 limited range, as in its input planes.
        context.options = {"preset": preset, "tune": "zerolatency", "crf": f"{crf:g}"}
        self._context = context
        self._count = 0

    def encode(self, image: Pixels) -> bytes:
        """Encode one picture; with zero latency its packet is available at once."""
        height, width = self._size
        cut = image[:height, :width]
        if self._grey:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(cut), format="gray")
        else:
            planes = cv2.cvtColor(cut, cv2.COLOR_BGR2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, self._count = self._count, self._count + 1
        packets = self._context.encode(frame)
        if len(packets) != 1:
            raise RuntimeError(f"got {len(packets)} packets of x264 for a frame, want 1")
        return bytes(packets[0])


class H264Decoder:
    """The decoder of libavcodec, one thread; packets in, BGR or grey out."""

    def __init__(self, *, grey: bool, threads: int = 1) -> None:
        self._grey = grey
        self._context: Any = av.CodecContext.create("h264", "r")
        self._context.thread_count = threads
        self._context.thread_type = "SLICE"
        self._context.flags |= 1 << 19  # AV_CODEC_FLAG_LOW_DELAY

    def decode(self, data: bytes) -> Pixels:
        """Decode the packet of one picture."""
        frames = self._context.decode(av.Packet(data))
        if len(frames) != 1:
            raise RuntimeError(f"got {len(frames)} pictures for a packet, want 1")
        planes = frames[0].to_ndarray()
        if self._grey:  # libavcodec may add chroma planes of 128 below the luma
            return planes[: frames[0].height]
        return cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)


def without_settings_text(packet: bytes) -> int:
    """Bytes of an H.264 packet less the user-data SEI in which x264 prints its settings."""
    size = len(packet)
    start = packet.find(b"\0\0\1")
    while start >= 0:
        following = packet.find(b"\0\0\1", start + 3)
        end = following if following >= 0 else len(packet)
        # NAL unit type 6 is SEI, payload type 5 unregistered user data (H.264, 7.3.2.3, D.1).
        if packet[start + 3] & 31 == 6 and packet[start + 4] == 5:
            size -= end - start
        start = following
    return size


def x264_point(frames: Sequence[Pixels], preset: str, crf: float, gop: int) -> Point:
    """Code frames as one x264 stream, one slice a picture."""
    coder = X264(frames[0].shape, preset, crf, gop)
    decoder = H264Decoder(grey=frames[0].ndim == 2)
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    size, fidelity = 0, Fidelity()
    for frame in frames:
        packet = coder.encode(frame)
        size += without_settings_text(packet)
        fidelity.add(np.ascontiguousarray(frame[:height, :width]), decoder.decode(packet))
    return fidelity.point(f"crf={crf:g}", size)


def jpeg2000_reversible_point(image: Pixels, bits_per_pixel: float) -> Point:
    """OpenJPEG through OpenCV: the 5/3 wavelet, cut to a rate."""
    full = 8 * image.itemsize * (1 if image.ndim == 2 else image.shape[2])
    permille = max(1, round(1000 * bits_per_pixel / full))
    data = bytes(cv2.imencode(".jp2", image, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, permille])[1])
    setting = f"5/3 {bits_per_pixel:g} bit/pixel"
    return picture_point(setting, len(data), image, decode_file(data))


def jpeg2000_irreversible_point(image: Pixels, level_db: float) -> Point:
    """OpenJPEG through imagecodecs: the 9/7 wavelet, which is the better one for lossy coding."""
    data = imagecodecs.jpeg2k_encode(image, level=level_db, reversible=False, codecformat="j2k")
    decoded = imagecodecs.jpeg2k_decode(data)
    return picture_point(f"9/7 {level_db:g} dB", len(data), image, decoded)


_PNG_WAYS: Final = (
    ("DEFAULT", "ALL"), ("DEFAULT", "FAST"), ("DEFAULT", "SUB"), ("DEFAULT", "PAETH"),
    ("DEFAULT", "NONE"), ("FILTERED", "ALL"), ("FILTERED", "SUB"),
)  # fmt: skip
"""Combinations of zlib strategy and libpng filter that were each the best on some picture."""


def png_bytes(image: Pixels) -> tuple[int, str]:
    """Smallest PNG at the highest level over several strategies and filters."""
    sizes = {}
    for strategy, filters in _PNG_WAYS:
        data = imagecodecs.png_encode(
            image,
            level=9,
            strategy=getattr(imagecodecs.PNG.STRATEGY, strategy),
            filter=getattr(imagecodecs.PNG.FILTER, filters),
        )
        sizes[f"{strategy.lower()} strategy, {filters.lower()} filters"] = len(data)
    best = min(sizes, key=sizes.__getitem__)
    return sizes[best], best
