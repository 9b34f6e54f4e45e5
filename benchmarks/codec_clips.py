"""Streams of fixed cameras, compared with MJPEG and x264, and streams with sensor noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import codec_peers
import codec_pictures
from codec_curves import Curve, cover, geometric_mean, mean_ratio
from codec_rate import (
    JPEG_QUALITIES,
    MARGIN_DB,
    OURS,
    Tested,
    at_points,
    described,
    rounded,
    versus,
    without_headers,
)
from command_line import say

CLIP_WINDOW_DB: Final = (36.0, 46.0)
NOISY_DB: Final = 38.0
_CRF: Final = (45, 41, 37, 33, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2)


def _clip(tested: Tested, frames: Sequence[Any], gop: int) -> dict[str, Any]:
    """Encode one clip as a stream of every coder."""
    low, high = CLIP_WINDOW_DB
    pixels = len(frames) * frames[0].shape[0] * frames[0].shape[1]
    points = {
        OURS: cover(
            tested.sweep("clip"),
            lambda o: codec_peers.rankcast_point(frames, tested.name, **tested.fixed(gop), **o),
            low,
            high,
        ),
        "mjpeg": cover(JPEG_QUALITIES, lambda q: codec_peers.jpeg_point(frames, q), low, high),
    }
    for preset in ("ultrafast", "veryfast"):
        points[f"x264-{preset}"] = cover(
            _CRF, lambda crf, p=preset: codec_peers.x264_point(frames, p, crf, gop), low, high
        )
    curves = {peer: Curve(found) for peer, found in points.items()}
    ratios = {
        peer: mean_ratio(curves[OURS], curve, low, high)
        for peer, curve in curves.items()
        if peer != OURS
    }
    targets = [(0.0, float(db)) for db in range(int(low), int(high) + 1, 2)]
    rows = at_points(curves[OURS], {p: c for p, c in curves.items() if p != OURS}, targets)
    return {
        "frames": len(frames),
        "shape": list(frames[0].shape),
        "points": {peer: described(found, pixels) for peer, found in points.items()},
        "at": [{k: v for k, v in row.items() if k != "anchor_bit_per_pixel"} for row in rows],
        "ratio": {p: r and {k: round(v, 4) for k, v in r.items()} for p, r in ratios.items()},
        "ratio_without_headers": {
            peer: rounded(r["ratio"])
            if (r := mean_ratio(without_headers(points[OURS]), curve, low, high))
            else None
            for peer, curve in curves.items()
            if peer != OURS
        },
        "versus": versus(points, low, high),
    }


def clips(
    tested: Tested, data: Path | None, frames: int, gop: int, most: int | None
) -> dict[str, Any]:
    """Compare streams of fixed cameras with MJPEG and x264 at one key frame interval."""
    results: dict[str, Any] = {}
    sets = {
        "video": codec_pictures.video_clips(data, frames, most),
        "sequence": codec_pictures.sequences(data, frames),
    }
    for kind, found in sets.items():
        for name, clip in found.items():
            results[name] = {"kind": kind} | _clip(tested, clip, gop)
            ratios = results[name]["ratio"]
            say(
                f"clip {name}: "
                + ", ".join(f"{p} {r['ratio'] if r else None}" for p, r in ratios.items())
            )
    peers = ("mjpeg", "x264-ultrafast", "x264-veryfast")

    def over(kinds: tuple[str, ...]) -> dict[str, float | None]:
        return {
            peer: rounded(
                geometric_mean(
                    [
                        r["ratio"][peer]["ratio"]
                        for r in results.values()
                        if r["kind"] in kinds and r["ratio"][peer]
                    ]
                )
            )
            for peer in peers
        }

    return {
        "gop": gop,
        "window_db": list(CLIP_WINDOW_DB),
        "clips": results,
        "geometric_mean": {"video": over(("video",)), "all": over(("video", "sequence"))},
    }


def noisy(tested: Tested, data: Path | None, frames: int, gop: int) -> dict[str, Any]:
    """Compare noisy streams with one JPEG per frame at a fixed PSNR."""
    results: dict[str, Any] = {}
    for name, clip in codec_pictures.sequences(data, frames).items():
        low, high = NOISY_DB - MARGIN_DB, NOISY_DB + MARGIN_DB
        ours = Curve(
            cover(
                tested.sweep("clip"),
                lambda o, clip=clip: codec_peers.rankcast_point(
                    clip, tested.name, **tested.fixed(gop), **o
                ),
                low,
                high,
            )
        )
        jpeg = Curve(
            cover(JPEG_QUALITIES, lambda q, clip=clip: codec_peers.jpeg_point(clip, q), low, high)
        )
        mine, theirs = ours.bytes_at(NOISY_DB), jpeg.bytes_at(NOISY_DB)
        results[name] = {
            "frames": len(clip),
            "bytes": mine and round(mine),
            "jpeg_bytes": theirs and round(theirs),
            "ratio": rounded(mine / theirs) if mine and theirs else None,
        }
        say(f"noisy {name}: of JPEG {results[name]['ratio']} at {NOISY_DB:g} dB")
    ratios = [r["ratio"] for r in results.values() if r["ratio"] is not None]
    return {
        "psnr_db": NOISY_DB,
        "sequences": results,
        "worst_ratio": max(ratios, default=None),
        "geometric_mean": rounded(geometric_mean(ratios)),
    }
