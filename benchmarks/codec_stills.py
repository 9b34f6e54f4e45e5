"""Single pictures: colour and deep ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import codec_peers
import codec_pictures
import numpy as np
from codec_rate import (
    JPEG_QUALITIES,
    MARGIN_DB,
    OURS,
    VERSUS,
    Tested,
    at_points,
    described,
    envelope,
    mean,
    ratios_to,
    rounded,
    versus,
)
from command_line import say

from rankcast.rate_distortion import Curve, cover, geometric_mean

STILL_RATES: Final = tuple(0.25 * 2 ** (i / 2) for i in range(7))
"""Bit/pixel of JPEG at which stills are compared: 0.25 to 2, evenly on a logarithmic scale."""
DEEP_RATES: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Bit/pixel of JPEG 2000 at which deep frames are compared."""
_WEBP_QUALITIES: Final = (0, 3, 8, 15, 25, 36, 48, 60, 70, 78, 84, 89, 93, 96, 98, 100)
_SVD_RANKS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def stills(tested: Tested, data: Path | None, most: int | None) -> dict[str, Any]:
    """Compare single pictures with libjpeg-turbo, WebP and the articles' float32 SVD."""
    images: dict[str, Any] = {}
    for name, image in codec_pictures.stills(data, most).items():
        pixels = image.shape[0] * image.shape[1]
        jpeg = [codec_peers.jpeg_point([image], q) for q in JPEG_QUALITIES[:-2]]
        anchor = Curve(jpeg)
        targets = [
            (rate, db)
            for rate in STILL_RATES
            if (db := anchor.db_at(rate * pixels / 8)) is not None
        ]
        low, high = targets[0][1] - MARGIN_DB, targets[-1][1] + MARGIN_DB
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
        peers["webp"] = envelope(curves["webp-m4"], curves["webp-m6"])
        rows = at_points(curves[OURS], peers, targets)
        images[name] = {
            "shape": list(image.shape),
            "points": {peer: described(found, pixels) for peer, found in points.items()},
            "at": rows,
            "mean_ratio": {peer: mean(ratios_to(rows, peer)) for peer in peers},
            "versus": versus(points, targets[0][1], targets[-1][1]),
        }
        of = images[name]["mean_ratio"]
        say(f"still {name}: of JPEG {of['jpeg']}, of WebP {of['webp']}")
    peers_named = ("jpeg", "webp", "webp-m4", "webp-m6", "svd-float32")
    return {
        "images": images,
        "mean_ratio": {
            peer: mean([v for i in images.values() if (v := i["mean_ratio"][peer]) is not None])
            for peer in peers_named
        },
        "mean_ratio_by_rate": {
            f"{rate:.2f}": {
                peer: mean(
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
        "versus": {
            peer: {
                what: mean(
                    [v for i in images.values() if (v := i["versus"][peer][what]) is not None]
                )
                for what in VERSUS
            }
            for peer in peers_named
            if peer != "webp"
        },
    }


def deep(tested: Tested, data: Path | None) -> dict[str, Any]:
    """Compare frames of 12 and 16 bits with JPEG 2000, PSNR on the full 16-bit scale."""
    images: dict[str, Any] = {}
    for name, image in codec_pictures.deep_frames(data).items():
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
        best = envelope(Curve(reversible), Curve(irreversible))
        targets = [
            (rate, db) for rate in DEEP_RATES if (db := best.db_at(rate * pixels / 8)) is not None
        ]
        points = {
            OURS: cover(
                tested.sweep("deep"),
                lambda o, image=image: codec_peers.rankcast_point([image], tested.name, **o),
                targets[0][1] - MARGIN_DB,
                targets[-1][1] + MARGIN_DB,
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
        rows = at_points(curves[OURS], peers, targets)
        images[name] = {
            "shape": list(image.shape),
            "points": {peer: described(found, pixels) for peer, found in points.items()},
            "at": rows,
            "ratio": {peer: rounded(geometric_mean(ratios_to(rows, peer))) for peer in peers},
            "versus": versus(points, targets[0][1], targets[-1][1]),
        }
        say(f"deep {name}: of JPEG 2000 {images[name]['ratio']['jpeg2000']}")
    return {
        "images": images,
        "geometric_mean": {
            peer: rounded(
                geometric_mean([v for i in images.values() if (v := i["ratio"][peer]) is not None])
            )
            for peer in ("jpeg2000", "jpeg2000-5/3", "jpeg2000-9/7")
        },
    }
