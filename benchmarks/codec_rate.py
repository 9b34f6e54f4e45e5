"""Bytes at equal quality: stills, clips, noisy sequences, deep frames, lossless."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import codec_frames
import codec_peers
import numpy as np
from codec_curves import (
    Curve,
    Point,
    bd_rate_percent,
    chroma_gain_db,
    cover,
    geometric_mean,
    mean_ratio,
)

import rankcast
from rankcast.errors import UnsupportedImageError

STILL_RATES = tuple(0.25 * 2 ** (i / 2) for i in range(7))
"""Bit/pixel of JPEG at which stills are compared: 0.25 to 2, evenly on a logarithmic scale."""
DEEP_RATES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Bit/pixel of JPEG 2000 at which deep frames are compared."""
CLIP_WINDOW_DB = (36.0, 46.0)
NOISY_DB = 38.0
_MARGIN_DB = 0.3
OURS = "rankcast"
"""Name of the tested codec among its peers, some of which are called as codecs of ours."""

# Coarse to fine. `cover` measures only those that the window needs.
_JPEG_QUALITIES = (2, 4, 7, 11, 16, 22, 30, 40, 50, 60, 70, 77, 83, 88, 92, 95, 97, 99, 100)
_WEBP_QUALITIES = (0, 3, 8, 15, 25, 36, 48, 60, 70, 78, 84, 89, 93, 96, 98, 100)
_CRF = (45, 41, 37, 33, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2)
_QUALITIES = (3, 6, 10, 16, 24, 34, 46, 57, 67, 75, 81, 86, 90, 93, 95, 97, 98, 99, 100)
_STEPS = tuple(round(64 / 2 ** (i / 2), 3) for i in range(16))
_DEEP_STEPS = tuple(round(4096 / 2 ** (i / 3), 3) for i in range(40))
_SVD_RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_SVD_PSNR_DB = tuple(float(db) for db in range(22, 52, 3))


@dataclass(frozen=True, slots=True)
class Tested:
    """The codec under test and how its quality is swept."""

    name: str

    def sweep(self, kind: str) -> list[dict[str, Any]]:
        """Options from coarse to fine for ``still``, ``clip`` or ``deep``."""
        if self.name == "svd-patch":
            if kind == "still":
                return [{"quality": q} for q in _QUALITIES]
            return [{"step": s} for s in (_STEPS if kind == "clip" else _DEEP_STEPS)]
        if self.name == "jpeg":
            return [{"quality": q} for q in _JPEG_QUALITIES]
        offset = 30.0 if kind == "deep" else 0.0
        return [{"psnr": db + offset} for db in _SVD_PSNR_DB]

    def fixed(self, gop: int) -> dict[str, Any]:
        """Options that do not vary within a stream."""
        return {"gop": gop} if self.name == "svd-patch" else {}


def say(text: str) -> None:
    """Words for the reader; files and standard output are for figures."""
    print(text, file=sys.stderr, flush=True)


def _described(points: Sequence[Point], unit: float) -> list[dict[str, Any]]:
    """Points as JSON; `unit` pixels make bit/pixel of bytes."""
    return [
        {
            "setting": p.setting,
            "bytes": p.size_bytes,
            "bit_per_pixel": round(8 * p.size_bytes / unit, 4),
            "psnr_db": round(p.psnr_db, 3) if np.isfinite(p.psnr_db) else None,
            "chroma_db": None
            if p.chroma_db is None or not np.isfinite(p.chroma_db)
            else round(p.chroma_db, 3),
        }
        for p in points
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(float(np.mean(values))) if values else None


def _at_points(
    tested: Curve, peers: dict[str, Curve], targets: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    """Byte ratio to each peer at each (bit/pixel of the anchor, PSNR)."""
    rows = []
    for rate, db in targets:
        ours = tested.bytes_at(db) if tested.usable else None
        ratios: dict[str, float | None] = {}
        for name, curve in peers.items():
            theirs = curve.bytes_at(db) if curve.usable else None
            ratios[name] = _rounded(ours / theirs) if ours and theirs else None
        rows.append({"anchor_bit_per_pixel": round(rate, 3), "psnr_db": round(db, 3)} | ratios)
    return rows


def _ratios(rows: Sequence[dict[str, Any]], peer: str) -> list[float]:
    return [row[peer] for row in rows if row[peer] is not None]


def _envelope(*curves: Curve) -> Curve:
    """The cheapest of several ways of one peer at every PSNR."""
    usable = [c for c in curves if c.usable]
    if not usable:
        return Curve([])
    low = min(c.range_db[0] for c in usable)
    high = max(c.range_db[1] for c in usable)
    points = []
    for db in np.linspace(low, high, 40):
        sizes = [s for c in usable if (s := c.bytes_at(float(db))) is not None]
        if sizes:
            points.append(Point("best", min(sizes), float(db)))
    return Curve(points)


def stills(tested: Tested, data: Path | None, most: int | None) -> dict[str, Any]:
    """Single pictures against libjpeg-turbo, WebP and the articles' float32 SVD."""
    images: dict[str, Any] = {}
    for name, image in codec_frames.stills(data, most).items():
        pixels = image.shape[0] * image.shape[1]
        jpeg = [codec_peers.jpeg_point([image], q) for q in _JPEG_QUALITIES[:-2]]
        anchor = Curve(jpeg)
        targets = [
            (rate, db)
            for rate in STILL_RATES
            if (db := anchor.psnr_at(rate * pixels / 8)) is not None
        ]
        low, high = targets[0][1] - _MARGIN_DB, targets[-1][1] + _MARGIN_DB
        points = {
            OURS: cover(
                tested.sweep("still"),
                lambda o, image=image: codec_peers.rankcast_point([image], tested.name, **o),
                low,
                high,
            ),
            "jpeg": jpeg,
            "webp-m4": cover(
                _WEBP_QUALITIES,
                lambda q, image=image: codec_peers.webp_opencv_point(image, q),
                low,
                high,
            ),
            "webp-m6": cover(
                _WEBP_QUALITIES,
                lambda q, image=image: codec_peers.webp_pillow_point(image, q),
                low,
                high,
            ),
            "svd-float32": codec_peers.svd_float32_points(image, _SVD_RANKS),
        }
        curves = {peer: Curve(found) for peer, found in points.items()}
        peers = {peer: curve for peer, curve in curves.items() if peer != OURS}
        peers["webp"] = _envelope(curves["webp-m4"], curves["webp-m6"])
        rows = _at_points(curves[OURS], peers, targets)
        images[name] = {
            "shape": list(image.shape),
            "points": {peer: _described(found, pixels) for peer, found in points.items()},
            "at": rows,
            "mean_ratio": {peer: _mean(_ratios(rows, peer)) for peer in peers},
            "bd_rate_percent": {
                peer: _rounded(bd_rate_percent(curves[OURS], curve, targets[0][1], targets[-1][1]))
                for peer, curve in peers.items()
            },
            "chroma_gain_db": {
                peer: _rounded(
                    chroma_gain_db(curves[OURS], curves[peer], targets[0][1], targets[-1][1])
                )
                for peer in ("jpeg", "webp-m4", "webp-m6")
            },
        }
        mean = images[name]["mean_ratio"]
        say(f"still {name}: of JPEG {mean['jpeg']}, of WebP {mean['webp']}")
    peers_named = ("jpeg", "webp", "webp-m4", "webp-m6", "svd-float32")
    return {
        "images": images,
        "mean_ratio": {
            peer: _mean([v for i in images.values() if (v := i["mean_ratio"][peer]) is not None])
            for peer in peers_named
        },
        "mean_ratio_by_rate": {
            f"{rate:.2f}": {
                peer: _mean(
                    [
                        row[peer]
                        for i in images.values()
                        for row in i["at"]
                        if row["anchor_bit_per_pixel"] == round(rate, 3) and row[peer] is not None
                    ]
                )
                for peer in peers_named
            }
            for rate in STILL_RATES
        },
        "chroma_gain_db": {
            peer: _mean(
                [v for i in images.values() if (v := i["chroma_gain_db"][peer]) is not None]
            )
            for peer in ("jpeg", "webp-m4", "webp-m6")
        },
        "bd_rate_percent": {
            peer: _mean(
                [v for i in images.values() if (v := i["bd_rate_percent"][peer]) is not None]
            )
            for peer in peers_named
        },
    }


def _clip(tested: Tested, frames: Sequence[Any], gop: int) -> dict[str, Any]:
    """One clip as a stream of every coder."""
    low, high = CLIP_WINDOW_DB
    pixels = len(frames) * frames[0].shape[0] * frames[0].shape[1]
    points = {
        OURS: cover(
            tested.sweep("clip"),
            lambda o: codec_peers.rankcast_point(frames, tested.name, **tested.fixed(gop), **o),
            low,
            high,
        ),
        "mjpeg": cover(_JPEG_QUALITIES, lambda q: codec_peers.jpeg_point(frames, q), low, high),
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
    rows = _at_points(curves[OURS], {p: c for p, c in curves.items() if p != OURS}, targets)
    return {
        "frames": len(frames),
        "shape": list(frames[0].shape),
        "points": {peer: _described(found, pixels) for peer, found in points.items()},
        "at": [{k: v for k, v in row.items() if k != "anchor_bit_per_pixel"} for row in rows],
        "ratio": {p: r and {k: round(v, 4) for k, v in r.items()} for p, r in ratios.items()},
        "bd_rate_percent": {
            peer: _rounded(bd_rate_percent(curves[OURS], curve, low, high))
            for peer, curve in curves.items()
            if peer != OURS
        },
        "chroma_gain_db": {
            peer: _rounded(chroma_gain_db(curves[OURS], curve, low, high))
            for peer, curve in curves.items()
            if peer != OURS
        },
    }


def clips(
    tested: Tested, data: Path | None, frames: int, gop: int, most: int | None
) -> dict[str, Any]:
    """Fixed cameras: a stream with prediction against MJPEG and x264, same keyframe interval."""
    results: dict[str, Any] = {}
    sets = {
        "video": codec_frames.video_clips(data, frames, most),
        "sequence": codec_frames.sequences(data, frames),
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
            peer: _rounded(
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
    """Streams with the noise of a sensor against one JPEG a frame at one PSNR."""
    results: dict[str, Any] = {}
    for name, clip in codec_frames.sequences(data, frames).items():
        low, high = NOISY_DB - _MARGIN_DB, NOISY_DB + _MARGIN_DB
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
            cover(_JPEG_QUALITIES, lambda q, clip=clip: codec_peers.jpeg_point(clip, q), low, high)
        )
        mine, theirs = ours.bytes_at(NOISY_DB), jpeg.bytes_at(NOISY_DB)
        results[name] = {
            "frames": len(clip),
            "bytes": mine and round(mine),
            "jpeg_bytes": theirs and round(theirs),
            "ratio": _rounded(mine / theirs) if mine and theirs else None,
        }
        say(f"noisy {name}: of JPEG {results[name]['ratio']} at {NOISY_DB:g} dB")
    ratios = [r["ratio"] for r in results.values() if r["ratio"] is not None]
    return {
        "psnr_db": NOISY_DB,
        "sequences": results,
        "worst_ratio": max(ratios, default=None),
        "geometric_mean": _rounded(geometric_mean(ratios)),
    }


def deep(tested: Tested, data: Path | None) -> dict[str, Any]:
    """Frames of 12 and 16 bits against JPEG 2000, PSNR on the full 16-bit scale."""
    images: dict[str, Any] = {}
    for name, image in codec_frames.deep_frames(data).items():
        pixels = image.size
        reversible = [
            codec_peers.jpeg2000_reversible_point(image, rate)
            for rate in (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.0, 6.0, 7.0)
        ]
        finite = [p.psnr_db for p in reversible if np.isfinite(p.psnr_db)]
        irreversible = [
            codec_peers.jpeg2000_irreversible_point(image, round(db, 1))
            for db in np.arange(min(finite) - 2, max(finite) + 4, 2)
        ]
        best = _envelope(Curve(reversible), Curve(irreversible))
        targets = [
            (rate, db) for rate in DEEP_RATES if (db := best.psnr_at(rate * pixels / 8)) is not None
        ]
        points = {
            OURS: cover(
                tested.sweep("deep"),
                lambda o, image=image: codec_peers.rankcast_point([image], tested.name, **o),
                targets[0][1] - _MARGIN_DB,
                targets[-1][1] + _MARGIN_DB,
            ),
            "jpeg2000-5/3": reversible,
            "jpeg2000-9/7": irreversible,
        }
        curves = {peer: Curve(found) for peer, found in points.items()}
        peers = {
            "jpeg2000": best,
            "jpeg2000-5/3": curves["jpeg2000-5/3"],
            "jpeg2000-9/7": curves["jpeg2000-9/7"],
        }
        rows = _at_points(curves[OURS], peers, targets)
        images[name] = {
            "shape": list(image.shape),
            "points": {peer: _described(found, pixels) for peer, found in points.items()},
            "at": rows,
            "ratio": {peer: _rounded(geometric_mean(_ratios(rows, peer))) for peer in peers},
            "bd_rate_percent": {
                peer: _rounded(bd_rate_percent(curves[OURS], curve, targets[0][1], targets[-1][1]))
                for peer, curve in peers.items()
            },
        }
        say(f"deep {name}: of JPEG 2000 {images[name]['ratio']['jpeg2000']}")
    return {
        "images": images,
        "geometric_mean": {
            peer: _rounded(
                geometric_mean([v for i in images.values() if (v := i["ratio"][peer]) is not None])
            )
            for peer in ("jpeg2000", "jpeg2000-5/3", "jpeg2000-9/7")
        },
    }


def lossless(codec: str, data: Path | None, most: int | None) -> dict[str, Any]:
    """The lossless codec against the smallest PNG of each picture."""
    groups = {
        "stills": codec_frames.stills(data, most),
        "sequences": {n: clip[0] for n, clip in codec_frames.sequences(data, 1).items()},
        "deep": codec_frames.deep_frames(data),
        "drawings": codec_frames.drawings(data),
    }
    results: dict[str, Any] = {}
    for group, pictures in groups.items():
        for name, image in pictures.items():
            try:
                packet = rankcast.Encoder(codec).encode(image)
            except UnsupportedImageError as exc:
                results[name] = {"group": group, "refused": str(exc)}
                continue
            if not np.array_equal(rankcast.Decoder().decode(packet), image):
                raise RuntimeError(f"codec {codec} changed picture {name}")
            png, how = codec_peers.png_bytes(image)
            results[name] = {
                "group": group,
                "bytes": len(packet),
                "png_bytes": png,
                "png": how,
                "ratio": round(len(packet) / png, 4),
            }
            say(f"lossless {name}: of PNG {results[name]['ratio']}")

    def over(wanted: str | None) -> float | None:
        return _rounded(
            geometric_mean(
                [
                    r["ratio"]
                    for r in results.values()
                    if "ratio" in r and wanted in (None, r["group"])
                ]
            )
        )

    return {
        "images": results,
        "geometric_mean": {group: over(group) for group in groups} | {"all": over(None)},
    }
