"""Lossless coding of single pictures: bytes beside PNG and JPEG-LS, time beside JPEG-LS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import codec_peers
import codec_pictures
import imagecodecs
import numpy as np
from codec_rate import rounded
from command_line import say

import rankcast
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.rate_distortion import geometric_mean

THREADS: Final = 2
_ROUNDS: Final = 7
SENSOR: Final = (2048, 2448)
"""Height and width of a frame of a camera of 5 megapixels."""


def sensor_frames() -> dict[str, Pixels]:
    """Return a soft picture with the noise of a sensor, of 0.6 % of the range, at 8 and 12 bits."""
    y, x = np.mgrid[: SENSOR[0], : SENSOR[1]]
    shape = (np.sin(x / 90) + np.cos(y / 70)) / 8 + 0.5
    noise = np.random.default_rng(0).normal(0, 0.006, SENSOR)
    values = np.clip(shape + noise, 0, 1)
    return {
        "sensor-8bit": (values * 255).astype(np.uint8),
        "sensor-12bit": (values * 4095).astype(np.uint16),
    }


def _kind(group: str, image: Pixels) -> str:
    """Return which pictures are compared with JPEG-LS together."""
    if group == "drawings":
        return group
    return "colour" if image.ndim == 3 else "grey" if image.dtype == np.uint8 else "deep"


def _medians_ms(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median time of each call; they take turns, so that a busy moment affects all."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(times)) for name, times in taken.items()}


def _compared(encoder: rankcast.Encoder, group: str, image: Pixels) -> dict[str, Any]:
    packet = encoder.encode(image)
    if not np.array_equal(rankcast.Decoder().decode(packet), image):
        raise RuntimeError("a lossless codec changed a picture")
    image = np.ascontiguousarray(image)
    jpegls = len(imagecodecs.jpegls_encode(image))
    times = _medians_ms(
        {
            "ours": lambda: encoder.encode(image),
            "jpegls": lambda: imagecodecs.jpegls_encode(image),
        }
    )
    png, how = codec_peers.png_bytes(image)
    return {
        "group": group,
        "kind": _kind(group, image),
        "bytes": len(packet),
        "png_bytes": png,
        "png": how,
        "ratio": round(len(packet) / png, 4),
        "jpegls_bytes": jpegls,
        "jpegls_ratio": round(len(packet) / jpegls, 4),
        "ms": round(times["ours"], 2),
        "jpegls_ms": round(times["jpegls"], 2),
        "jpegls_time_ratio": round(times["ours"] / times["jpegls"], 4),
    }


def lossless(codec: str, data: Path | None, most: int | None) -> dict[str, Any]:
    """Compare the lossless codec with the smallest PNG of each picture, and with JPEG-LS.

    JPEG-LS is CharLS, on its one thread; its pixels and ours are the same arrays.
    """
    groups = {
        "stills": codec_pictures.stills(data, most),
        "sequences": {n: clip[0] for n, clip in codec_pictures.sequences(data, 1).items()},
        "deep": codec_pictures.deep_frames(data),
        "drawings": codec_pictures.drawings(data),
        "sensor": sensor_frames(),
    }
    rankcast.set_threads(THREADS)
    encoder = rankcast.Encoder(codec)
    results: dict[str, Any] = {}
    for group, pictures in groups.items():
        for name, image in pictures.items():
            try:
                found = results[name] = _compared(encoder, group, image)
            except UnsupportedImageError as exc:
                results[name] = {"group": group, "refused": str(exc)}
                continue
            say(
                f"lossless {name}: of PNG {found['ratio']}, of JPEG-LS {found['jpegls_ratio']}"
                f" in {found['jpegls_time_ratio']} of its time"
            )
    measured = [r for r in results.values() if "ratio" in r]

    def over(ratio: str, of: str, wanted: str | None) -> float | None:
        return rounded(geometric_mean([r[ratio] for r in measured if wanted in (None, r[of])]))

    # Noise that nobody can foresee is the same in every format: real pictures judge PNG.
    png_groups = [group for group in groups if group != "sensor"]
    kinds = ("colour", "grey", "deep", "drawings")
    return {
        "images": results,
        "geometric_mean": {group: over("ratio", "group", group) for group in png_groups}
        | {
            "all": rounded(
                geometric_mean([r["ratio"] for r in measured if r["group"] in png_groups])
            )
        },
        "jpegls": {kind: over("jpegls_ratio", "kind", kind) for kind in kinds}
        | {"all": over("jpegls_ratio", "kind", None)},
        "jpegls_time": {kind: over("jpegls_time_ratio", "kind", kind) for kind in kinds},
        "sensor_ms": {
            name: found["ms"] for name, found in results.items() if found["group"] == "sensor"
        },
    }
