"""Speed of codec kmeans: against the article's loops, and of a stream.

    python benchmarks/kmeans_speed.py [--data DIR] [--quick] [--output FILE.json]

With ``--data`` the picture is the first of kodak/*.png and the frames are those of video/*.mp4;
otherwise both are synthetic.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from command_line import data_name, finish, option_parser
from method_pictures import clips, stills
from record import Record, Row, at_least, at_most, rounded

import rankcast

K: Final = 20
SLOW_ROWS: Final = 24
"""Rows processed by the Python loops; their time is scaled to the whole picture."""


def article_loops(pixels: Any, k: int) -> tuple[float, float]:
    """Time one iteration as the article writes it, and one with plain Python numbers.

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
    """Time complete encodings, and ten iterations of the loops without entropy coding."""
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


def real_time(name: str, frames: list[Any]) -> dict[str, Any]:
    """Time every frame of a clip."""
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


def rows(speed: Mapping[str, Any], streams: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the figures of the loops and of all clips."""
    loops, plain = "the article's loops", "plain Python loops"
    found = [
        Row("first frame, times as fast", speed["article_over_first"], "", at_least(100), loops),
        Row("later frame, times as fast", speed["article_over_next"], "", None, loops),
        Row("first frame, times as fast as plain numbers", speed["plain_over_first"], "", None,
            plain),
        Row("later frame, times as fast as plain numbers", speed["plain_over_next"], "", None,
            plain),
    ]  # fmt: skip
    for stream in streams:
        clip = stream["clip"]
        found += [
            Row(f"{clip}: encode, median", stream["encode_ms"], "ms", at_most(30)),
            Row(f"{clip}: encode, slowest frame", stream["encode_most_ms"], "ms"),
            Row(f"{clip}: encode, processor time", stream["encode_processor_ms"], "ms"),
            Row(f"{clip}: decode, median", stream["decode_ms"], "ms"),
            Row(f"{clip}: size of a frame", stream["bytes"] / 1e3, "kB"),
        ]
    return found


def main() -> int:
    """Measure loops and clips and write the record."""
    options = option_parser(__doc__, data=True).parse_args()
    streams = [real_time(*clip) for clip in clips(options.data)][: 1 if options.quick else None]
    _, picture = next(stills(options.data, 1))
    record = Record(
        "kmeans-speed",
        "Speed of codec kmeans",
        f"{K} colours. Loops: ten iterations, timed on {SLOW_ROWS} rows of a photograph and scaled,"
        " over a whole encoding with its entropy coding. Clips: 1280 x 720, 30 frames.",
        rounded(rows(speed_against_loops(picture), streams)),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
