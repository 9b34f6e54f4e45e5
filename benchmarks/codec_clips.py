"""Streams of fixed and of moving cameras, compared with encoders of video, and noisy streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import codec_peers
import codec_pictures
from codec_rate import (
    JPEG_QUALITIES,
    MARGIN_DB,
    OURS,
    Tested,
    at_points,
    described,
    mean,
    rounded,
    versus,
    without_headers,
)
from command_line import say

from rankcast.rate_distortion import (
    PEERS,
    ClipFormat,
    Curve,
    Point,
    Quality,
    by_all_psnr,
    by_moving_psnr,
    by_moving_ssim,
    by_ms_ssim,
    by_psnr,
    by_ssim,
    cover,
    geometric_mean,
    mean_gain,
    mean_ratio,
)

CLIP_WINDOW_DB: Final = (36.0, 46.0)
NOISY_DB: Final = 38.0
FIXED: Final = ("video", "sequence")
"""Kinds of clips whose camera does not move."""
KINDS: Final = (*FIXED, "moving", "synthetic", "noisy")
STREAM_PEERS: Final = (
    "mjpeg", "h264-ultrafast", "h264", "h264-psnr", "h264-medium", "av1", "av1-aom",
)  # fmt: skip
QUALITIES: Final[Mapping[str, Quality]] = {
    "psnr": by_psnr, "all_psnr": by_all_psnr, "ssim": by_ssim, "ms_ssim": by_ms_ssim,
    "moving_psnr": by_moving_psnr, "moving_ssim": by_moving_ssim,
}  # fmt: skip
_CRF: Final = (45, 41, 37, 33, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2)
CRF_AV1: Final = (63, 58, 52, 46, 40, 35, 30, 25, 20, 15, 10, 6, 3, 1)
_PEER_SETTINGS: Final[Mapping[str, Sequence[int]]] = {
    "mjpeg": JPEG_QUALITIES, "av1": CRF_AV1, "av1-aom": CRF_AV1,
}  # fmt: skip
"""From coarse to fine; those of all others are `_CRF`."""


def _points(
    tested: Tested, frames: Sequence[Any], gop: int, peers: Iterable[str], every: int
) -> dict[str, list[Point]]:
    """Code one clip as a stream of every coder, at every n-th setting that the window needs."""
    low, high = CLIP_WINDOW_DB
    points = {
        key: cover(
            tested.sweep("clip")[::every],
            lambda o, e=effort: codec_peers.rankcast_point(
                frames, tested.name, detail=True, **tested.fixed(gop, e), **o
            ),
            low,
            high,
        )
        for effort, key in tested.efforts.items()
    }
    return points | {
        peer: cover(
            _PEER_SETTINGS.get(peer, _CRF)[::every],
            lambda s, p=peer: codec_peers.peer_point(frames, p, s, gop, detail=True),
            low,
            high,
        )
        for peer in peers
    }


def _ratios(
    points: Mapping[str, Sequence[Point]], ours: str, peers: Iterable[str]
) -> dict[str, dict[str, float | None]]:
    """Return bytes of ours over those of each peer at equal quality, by measure of quality.

    PSNR within the window; the others over all that both curves reach.
    """
    low, high = CLIP_WINDOW_DB

    def ratio(peer: str, quality: Quality) -> float | None:
        window = (low, high) if quality is by_psnr else ()
        found = mean_ratio(Curve(points[ours], quality), Curve(points[peer], quality), *window)
        return None if found is None else rounded(found["ratio"])

    return {
        peer: {name: ratio(peer, quality) for name, quality in QUALITIES.items()} for peer in peers
    }


def _moving_gaps(
    points: Mapping[str, Sequence[Point]], peers: Iterable[str]
) -> dict[str, dict[str, float | None]]:
    """Return quality of moving blocks at equal bytes, of each peer less ours."""
    low, high = CLIP_WINDOW_DB
    found = {}
    for peer in peers:
        # The bytes at which the peer is within the window.
        curve = Curve(points[peer])
        window = (curve.bytes_at(low) or 0.0, curve.bytes_at(high) or float("inf"))
        gaps = {
            name: mean_gain(
                Curve(points[peer], QUALITIES[name]), Curve(points[OURS], QUALITIES[name]),
                *window, similarity=name == "moving_ssim",
            )
            for name in ("moving_ssim", "moving_psnr")
        }  # fmt: skip
        found[peer] = {name: rounded(gap) for name, gap in gaps.items()}
    return found


def _clip(
    tested: Tested, frames: Sequence[Any], gop: int, peers: Sequence[str], every: int
) -> dict[str, Any]:
    """Compare one clip with every peer."""
    low, high = CLIP_WINDOW_DB
    pixels = len(frames) * frames[0].shape[0] * frames[0].shape[1]
    points = _points(tested, frames, gop, peers, every)
    curves = {key: Curve(found) for key, found in points.items()}
    targets = [(0.0, float(db)) for db in range(int(low), int(high) + 1, 2)]
    rows = at_points(curves[OURS], {peer: curves[peer] for peer in peers}, targets)
    ranges = {peer: mean_ratio(curves[OURS], curves[peer], low, high) for peer in peers}
    return {
        "frames": len(frames),
        "shape": list(frames[0].shape),
        "points": {key: described(found, pixels) for key, found in points.items()},
        "at": [{k: v for k, v in row.items() if k != "anchor_bit_per_pixel"} for row in rows],
        "range_db": {
            peer: found and [round(found["from_db"], 2), round(found["to_db"], 2)]
            for peer, found in ranges.items()
        },
        "ratio": {
            effort: _ratios(points, key, peers) for effort, key in tested.efforts.items()
        },
        "moving_gap": _moving_gaps(points, peers),
        "ratio_without_headers": {
            peer: rounded(r["ratio"])
            if (r := mean_ratio(without_headers(points[OURS]), curves[peer], low, high))
            else None
            for peer in peers
        },
        "versus": versus({key: points[key] for key in (OURS, *peers)}, low, high),
    }  # fmt: skip


def usable_peers(frames: Sequence[Any]) -> tuple[list[str], dict[str, str]]:
    """Return the peers that the installation has, and why it lacks the others."""
    clip = ClipFormat.of(frames[0], codec_peers.FPS)
    refused = {peer: PEERS[peer].refusal(clip) for peer in STREAM_PEERS}
    return (
        [peer for peer, reason in refused.items() if reason is None],
        {peer: reason for peer, reason in refused.items() if reason is not None},
    )


def clips(
    tested: Tested, data: Path | None, frames: int, gop: int, *, quick: bool
) -> dict[str, Any]:
    """Compare streams with encoders of video at one key frame interval.

    A quick run has fewer clips, and curves of half the settings.
    """
    most, few, every = (2, 1, 2) if quick else (None, None, 1)
    results: dict[str, Any] = {}
    missing: dict[str, str] = {}
    sets: Mapping[str, Callable[[], codec_pictures.Clips]] = {
        "video": lambda: codec_pictures.video_clips(data, frames, most),
        "sequence": lambda: codec_pictures.sequences(data, frames),
        "moving": lambda: codec_pictures.moving_clips(data, frames, few),
        "synthetic": lambda: codec_pictures.synthetic_clips(frames, few),
        "noisy": lambda: codec_pictures.noisy_clips(data, frames, few),
    }
    for kind, read in sets.items():
        for name, clip in read().items():
            peers, missing = usable_peers(clip)
            results[name] = {"kind": kind} | _clip(
                tested, codec_pictures.even(clip), gop, peers, every
            )
            ratios = results[name]["ratio"]["default"]
            say(f"clip {name}: " + ", ".join(f"{p} {r['psnr']}" for p, r in ratios.items()))
    for peer, reason in missing.items():
        say(f"{peer} left out: {reason}")
    return {
        "gop": gop,
        "window_db": list(CLIP_WINDOW_DB),
        "left_out": missing,
        "clips": results,
        "mean": {
            kind: _means(tested, [r for r in results.values() if r["kind"] in kinds])
            for kind, kinds in {
                "fixed": FIXED, "all": (*FIXED, "moving"), **{kind: (kind,) for kind in KINDS},
            }.items()
        },
    }  # fmt: skip


def _means(tested: Tested, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return means over clips: geometric of ratios, arithmetic of gaps."""
    peers = {peer for one in results for peer in one["moving_gap"]}

    def found(*path: str) -> list[float]:
        values = []
        for one in results:
            inner: Any = one
            for key in path:
                inner = inner.get(key) if isinstance(inner, Mapping) else None
            if inner is not None:
                values.append(float(inner))
        return values

    return {
        "ratio": {
            effort: {
                peer: {
                    name: rounded(geometric_mean(found("ratio", effort, peer, name)))
                    for name in QUALITIES
                }
                for peer in sorted(peers)
            }
            for effort in tested.efforts
        },
        "moving_gap": {
            peer: {
                name: mean(found("moving_gap", peer, name))
                for name in ("moving_ssim", "moving_psnr")
            }
            for peer in sorted(peers)
        },
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
