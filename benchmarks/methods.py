"""Claims of pca and kmeans: agreement with scikit-learn, speed, and their place among the codecs.

    python benchmarks/methods.py [--data DIR] [--images N] [--gan FILE.rkm] [--output FILE]

With ``--data`` the pictures are kodak/*.png and the frames those of video/*.mp4; without it both
are made here. ``--gan`` adds that codec with a model for pictures of any size, which should not
have been trained on those here. scikit-learn comes with the extra `test`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import rankcast
from rankcast.codec.pca.components import principal_components, standardise
from rankcast.commands.compare.candidate_choice import candidates_for
from rankcast.commands.compare.codec_comparison import choose
from rankcast.commands.compare.measurement import Measurement
from rankcast.opencv import cv2
from rankcast.wire import unpack

NAMES = ("svd-patch", "webp", "jpeg", "kmeans", "pca-patches", "svd", "pca", "lossless")
K = 20
SLOW_ROWS = 24
"""Rows that the Python loops go through; their time is scaled to the whole picture."""


def made_picture(height: int = 512, width: int = 768, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 13, 3)).astype(np.uint8)
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (height, width, 1)), (0, 0), 1.5)[..., None]
    return np.clip(large + texture + rng.normal(0, 2, large.shape), 0, 255).astype(np.uint8)


def pictures(data: Path | None, count: int) -> Iterator[tuple[str, Any]]:
    if data is None:
        yield from ((f"made{seed}", made_picture(seed=seed)) for seed in range(count))
        return
    for path in sorted((data / "kodak").glob("*.png"))[:count]:
        yield path.stem, cv2.imread(str(path))


def clips(data: Path | None) -> Iterator[tuple[str, list[Any]]]:
    if data is None:
        whole = made_picture(720, 1340)
        yield "made", [np.ascontiguousarray(whole[:, 2 * n : 2 * n + 1280]) for n in range(30)]
        return
    for path in sorted((data / "video").glob("*.mp4")):
        video, frames = cv2.VideoCapture(str(path)), []
        while len(frames) < 30 and (frame := video.read()[1]) is not None:
            frames.append(cv2.resize(frame, (1280, 720), interpolation=cv2.INTER_CUBIC))
        video.release()
        yield path.stem, frames


def article_loops(pixels: Any, k: int) -> tuple[float, float]:
    """Seconds of one iteration as the article writes it, and with plain Python numbers.

    For every pixel and every centroid a distance, then the mean of every cluster. Timed on
    `SLOW_ROWS` rows, scaled to the whole picture.
    """
    part = pixels[:SLOW_ROWS].reshape(-1, 3).astype(np.float64)
    scale = pixels.shape[0] / SLOW_ROWS
    centroids = part[random.Random(0).sample(range(len(part)), k)]
    start = time.perf_counter()
    labels = np.zeros(len(part), int)
    for i in range(len(part)):
        labels[i] = np.argmin([np.linalg.norm(part[i] - centroids[j]) for j in range(k)])
    for j in range(k):
        if np.any(labels == j):
            part[labels == j].mean(axis=0)
    article = time.perf_counter() - start
    points, centres = part.tolist(), centroids.tolist()
    start = time.perf_counter()
    sums = [[0.0, 0.0, 0.0, 0] for _ in range(k)]
    for x, y, z in points:
        best, which = math.inf, 0
        for j, (a, b, c) in enumerate(centres):
            d = (x - a) * (x - a) + (y - b) * (y - b) + (z - c) * (z - c)
            if d < best:
                best, which = d, j
        row = sums[which]
        row[0] += x
        row[1] += y
        row[2] += z
        row[3] += 1
    [[total / max(row[3], 1) for total in row[:3]] for row in sums]
    return article * scale, (time.perf_counter() - start) * scale


def speed_against_loops(pixels: Any) -> dict[str, Any]:
    """Whole encoding against ten iterations of the loops, which code nothing."""
    article, plain = article_loops(pixels, K)
    warm = rankcast.Encoder("kmeans", k=K)
    warm.encode(pixels)
    firsts, later = [], []
    for _ in range(5):
        encoder = rankcast.Encoder("kmeans", k=K)
        start = time.perf_counter()
        encoder.encode(pixels)
        firsts.append(time.perf_counter() - start)
        start = time.perf_counter()
        warm.encode(pixels)
        later.append(time.perf_counter() - start)
    first, next_ = statistics.median(firsts), statistics.median(later)
    return {
        "shape": pixels.shape, "k": K, "iterations": 10, "rows_timed": SLOW_ROWS,
        "article_loops_s": 10 * article, "plain_loops_s": 10 * plain,
        "first_frame_s": first, "next_frame_s": next_,
        "article_over_first": 10 * article / first, "plain_over_first": 10 * plain / first,
        "article_over_next": 10 * article / next_, "plain_over_next": 10 * plain / next_,
    }  # fmt: skip


def distortion(name: str, pixels: Any, k: int) -> dict[str, Any]:
    points = pixels.reshape(-1, 3).astype(np.float32)
    theirs = KMeans(k, n_init=3, random_state=0).fit(points).inertia_
    ours = unpack(rankcast.Encoder("kmeans", k=k).encode(pixels)).header.squared_error
    assert ours is not None
    return {"picture": name, "k": k, "of_scikit_learn": ours / theirs}


def real_time(name: str, frames: list[Any]) -> dict[str, Any]:
    encoder, decoder = rankcast.Encoder("kmeans", k=K), rankcast.Decoder()
    encoder.encode(frames[0])
    encode, processor, decode, copy, sizes = [], [], [], [], []
    for frame in frames:
        start = time.perf_counter()
        frame.copy()
        copy.append(time.perf_counter() - start)
        start, used = time.perf_counter(), time.process_time()
        packet = encoder.encode(frame)
        encode.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
        start = time.perf_counter()
        decoder.decode(packet)
        decode.append(time.perf_counter() - start)
        sizes.append(len(packet))
    return {
        "clip": name, "frames": len(frames), "shape": frames[0].shape, "k": K,
        "encode_ms": 1e3 * statistics.median(encode), "encode_most_ms": 1e3 * max(encode),
        "encode_processor_ms": 1e3 * statistics.median(processor),
        "decode_ms": 1e3 * statistics.median(decode),
        "encode_over_copy": statistics.median(encode) / statistics.median(copy),
        "bytes": statistics.mean(sizes),
    }  # fmt: skip


def agreement(name: str, pixels: Any) -> dict[str, Any]:
    """Largest distances to scikit-learn's PCA of the same standardised matrix."""
    worst = {"variances": 0.0, "shares": 0.0, "rebuilt": 0.0}
    for channel in range(3):
        x = pixels[:, :, channel].astype(np.float64)
        z, _, _ = standardise(x)
        ours = principal_components(x)
        theirs = PCA(svd_solver="full").fit(z)
        k = len(ours.variances)
        relative = np.abs(ours.variances / theirs.explained_variance_[:k] - 1)[: k // 2]
        worst["variances"] = max(worst["variances"], float(relative.max()))
        shares = np.abs(ours.shares - theirs.explained_variance_ratio_[:k])
        worst["shares"] = max(worst["shares"], float(shares.max()))
        for kept in (10, 50):
            some = PCA(kept, svd_solver="full").fit(z)
            want = some.inverse_transform(some.transform(z))
            got = z @ ours.vectors[:kept].T @ ours.vectors[:kept]
            worst["rebuilt"] = max(worst["rebuilt"], float(np.abs(got - want).max()))
    return {"picture": name, **worst}


def kept_by_default(name: str, pixels: Any) -> dict[str, Any]:
    """What `variance=0.98` keeps and costs, by layout."""
    found: dict[str, Any] = {"picture": name}
    for layout in ("rows", "patches"):
        packet = rankcast.Encoder("pca", layout=layout, engine="exact").encode(pixels)
        header = unpack(packet).header
        found[layout] = {
            "components": header.rank, "psnr_db": header.psnr_db,
            "bits_per_pixel": 8 * len(packet) / (pixels.shape[0] * pixels.shape[1]),
        }  # fmt: skip
    return found


def places(name: str, pixels: Any, bits: float, gan: Path | None) -> dict[str, Any]:
    area = pixels.shape[0] * pixels.shape[1]

    def distance(coded: Measurement) -> float:
        return math.log(8 * coded.coded_bytes / area / bits)

    names = [*NAMES, "gan"] if gan else NAMES
    candidates, left_out = candidates_for(names, pixels, {"model": str(gan)} if gan else {})
    assert not left_out, left_out
    found = {}
    for candidate in candidates:
        for chroma in candidate.coders:
            candidate.search(chroma, distance)
        found[candidate.name] = candidate.whole(choose(candidate.tried, "bytes", distance))
    return {
        "picture": name,
        "bits_per_pixel": bits,
        "psnr_db": {each: min(coded.psnr_db, 999.0) for each, coded in found.items()},
        "ssim": {each: coded.ssim for each, coded in found.items()},
        "at": {each: coded.setting for each, coded in found.items()},
        "reached": {each: 8 * coded.coded_bytes / area for each, coded in found.items()},
    }


def means(rows: list[dict[str, Any]], key: str) -> dict[str, float]:
    return {name: statistics.mean(row[key][name] for row in rows) for name in rows[0][key]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--gan", type=Path, metavar="FILE.rkm")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    images = list(pictures(arguments.data, arguments.images))
    report: dict[str, Any] = {"data": "made" if arguments.data is None else "given"}

    def say(key: str, value: Any) -> None:
        report[key] = value
        print(key, json.dumps(value), file=sys.stderr, flush=True)

    say("kmeans_real_time", [real_time(*clip) for clip in clips(arguments.data)])
    say("kmeans_speed", speed_against_loops(images[0][1]))
    say("pca_agreement", [agreement(*image) for image in images])
    say("kmeans_distortion", [distortion(*image, k) for image in images for k in (8, K, 64, 256)])
    say("pca_default", [kept_by_default(*image) for image in images])
    for bits in (1.0, 2.0):
        rows = [places(*image, bits, arguments.gan) for image in images]
        say(f"places_{bits:g}", {key: means(rows, key) for key in ("psnr_db", "ssim", "reached")})
    document = json.dumps(report, indent=2, allow_nan=False)
    if arguments.output is None:
        print(document)
    else:
        arguments.output.write_text(document + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
