"""Rankcast and the coders it is compared with, behind a common interface.

Bytes are complete: a file with its headers, the packets of a stream with parameter sets. Streams
and their quality are measured by `rankcast.rate_distortion`, as in `rankcast compare CLIP`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import imagecodecs
import numpy as np
from PIL import Image

from rankcast.frame import full_scale
from rankcast.opencv import cv2
from rankcast.rate_distortion import (
    PEERS,
    ClipFormat,
    Coder,
    MjpegCoder,
    Point,
    QualityMeter,
    RankcastCoder,
    run_trial,
)

Pixels: TypeAlias = Any
"""(H, W) or (H, W, 3) BGR, uint8 or uint16."""

FPS: Final = 30
SIMILARITY_EVERY: Final = 3
"""SSIM and MS-SSIM of every frame would take longer than most coders."""


def picture_point(setting: str, size_bytes: float, original: Pixels, decoded: Pixels) -> Point:
    """Point of a single picture."""
    meter = QualityMeter(full_scale(original.dtype))
    meter.add(original, decoded)
    return meter.point(setting, size_bytes)


def stream_point(
    frames: Sequence[Pixels], coder: Coder, setting: str, *, detail: bool = False
) -> Point:
    """Code frames as one stream; `detail` adds similarity and moving blocks."""
    meter = QualityMeter(
        full_scale(frames[0].dtype),
        similarity_every=SIMILARITY_EVERY if detail else 0,
        moving=detail,
    )
    return run_trial(frames, coder, meter, setting).point


def rankcast_point(
    frames: Sequence[Pixels], codec: str, *, detail: bool = False, **options: Any
) -> Point:
    """Code frames as one stream of Rankcast and decode them again."""
    coder = RankcastCoder(ClipFormat.of(frames[0], FPS), codec, options)
    setting = " ".join(f"{name}={value}" for name, value in options.items())
    return stream_point(frames, coder, setting, detail=detail)


def peer_point(
    frames: Sequence[Pixels], name: str, setting: float, gop: int, *, detail: bool = False
) -> Point:
    """Code frames as one stream of a peer, on one thread."""
    peer = PEERS[name]
    coder = peer.start(ClipFormat.of(frames[0], FPS), setting, gop)
    return stream_point(frames, coder, f"{peer.symbol}={setting:g}", detail=detail)


def decode_file(data: bytes) -> Pixels:
    """Decode any file that OpenCV supports, keeping grey as grey."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def jpeg_point(frames: Sequence[Pixels], quality: int) -> Point:
    """Point of a single JPEG, or of MJPEG for several frames."""
    return stream_point(frames, MjpegCoder(quality), f"q={quality}")


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
