"""Codec `gan` on a fixed camera: trained on the first 80 % of a clip, judged on the rest.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/gan.py CLIP [--minutes 10] [--ablation]
                                                     [--output FILE.json]

Luma MS-SSIM and bytes of whole packets of held-out frames at several steps, beside JPEG (optimised
Huffman tables, 4:2:0) at the same bytes, interpolated between its qualities on a logarithmic scale
of bytes. The model before training, which is a transform codec of the difference to the median
picture, stands beside it: what training adds is told apart from what the background gives.
``--ablation`` trains another model for the same time from the same seed, at adversarial weight 0:
what the discriminator gives, and what its share of the time costs, stands between the two. Threads
that spin while they wait cost training most of its steps where other programs run as well.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rankcast
from rankcast.frame import Pixels
from rankcast.models.gan.footage import Footage, read_footage
from rankcast.models.gan.objective import luma_ms_ssim
from rankcast.models.gan.training import Progress, Training, Weights
from rankcast.numerics import psnr_db
from rankcast.opencv import cv2

TRAINED_SHARE = 0.8
TESTED_FRAMES = 24
STEPS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
QUALITIES = (3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
RATES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Bit/pixel at which both are compared."""


def say(text: str) -> None:
    """Words for the reader."""
    print(text, file=sys.stderr, flush=True)


def point(frames: Sequence[Pixels], coded: Sequence[tuple[int, Pixels]]) -> dict[str, float]:
    """Means over `frames` of bit/pixel, MS-SSIM and PSNR."""
    pixels = frames[0].shape[0] * frames[0].shape[1]
    return {
        "bit_per_pixel": float(np.mean([8 * size / pixels for size, _ in coded])),
        "ms_ssim": float(
            np.mean([luma_ms_ssim(f, r) for f, (_, r) in zip(frames, coded, strict=True)])
        ),
        "psnr_db": float(np.mean([psnr_db(f, r) for f, (_, r) in zip(frames, coded, strict=True)])),
    }


def jpeg_points(frames: Sequence[Pixels]) -> list[dict[str, float]]:
    """The reference, packets of its own codec."""
    points = []
    for quality in QUALITIES:
        encoder, decoder = rankcast.Encoder("jpeg", quality=quality), rankcast.Decoder()
        coded = []
        for frame in frames:
            packet = encoder.encode(frame)
            coded.append((len(packet), decoder.decode(packet)))
        points.append({"quality": quality, **point(frames, coded)})
    return points


def gan_points(frames: Sequence[Pixels], model: Path) -> list[dict[str, float]]:
    """One model at every step, with times."""
    points = []
    for step in STEPS:
        encoder, decoder = rankcast.Encoder("gan", model=str(model), step=step), rankcast.Decoder()
        decoder.decode(encoder.encode(frames[0]))
        coded, encode_ms, decode_ms = [], [], []
        for frame in frames:
            start = time.perf_counter()
            packet = encoder.encode(frame)
            half = time.perf_counter()
            coded.append((len(packet), decoder.decode(packet)))
            encode_ms.append(1e3 * (half - start))
            decode_ms.append(1e3 * (time.perf_counter() - half))
        found = point(frames, coded)
        times = {"encode_ms": float(np.median(encode_ms)), "decode_ms": float(np.median(decode_ms))}
        points.append({"step": step, **found, **times})
        say(f"  step {step}: " + ", ".join(f"{k} {v:.4f}" for k, v in (found | times).items()))
    return points


def at_rate(points: Sequence[dict[str, float]], rate: float) -> float | None:
    """MS-SSIM at `rate` bit/pixel, or None outside what the points reach."""
    found = sorted((math.log(one["bit_per_pixel"]), one["ms_ssim"]) for one in points)
    x, y = zip(*found, strict=True)
    if not x[0] <= math.log(rate) <= x[-1]:
        return None
    return float(np.interp(math.log(rate), x, y))


def compared(jpeg: list[dict[str, float]], gan: list[dict[str, float]]) -> list[dict[str, Any]]:
    """MS-SSIM of both at equal bytes: at fixed rates, and at the rates of the steps."""
    rates = sorted({*RATES, *(round(one["bit_per_pixel"], 4) for one in gan)})
    rows: list[dict[str, Any]] = []
    for rate in rates:
        ours, theirs = at_rate(gan, rate), at_rate(jpeg, rate)
        if ours is not None and theirs is not None:
            better = {"gan": ours, "jpeg": theirs, "beats": ours > theirs}
            rows.append({"bit_per_pixel": rate, **better})
    return rows


def main() -> int:
    """Train, evaluate, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--width", type=int, default=0, help="scale frames down to this width")
    parser.add_argument("--frames", type=int, default=TESTED_FRAMES, help="held-out ones judged")
    parser.add_argument("--ablation", action="store_true",
                        help="train without the discriminator, too")  # fmt: skip
    parser.add_argument("--output", type=Path)
    parser.add_argument("--models", type=Path, help="keep the models in this folder")
    chosen = parser.parse_args()

    (clip,) = read_footage([chosen.clip], [])
    frames = [scaled(frame, chosen.width) for frame in clip.frames]
    cut = int(len(frames) * TRAINED_SHARE)
    held_out = frames[cut:][:: max(1, len(frames[cut:]) // chosen.frames)][: chosen.frames]
    say(f"{len(frames)} frames of {frames[0].shape}, the first {cut} train")
    jpeg = jpeg_points(held_out)
    trained = {"trained": Weights()}
    if chosen.ablation:
        trained["without_discriminator"] = Weights(adversarial=0.0)
    runs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.models or Path(temporary)

        def judge(name: str, training: Training) -> None:
            path = folder / f"{clip.label}-{name}.rkm"
            model_id = training.model().save(path, training.about())
            say(f"{name}:")
            runs[name] = {
                "training": training.about(),
                "model_bytes": path.stat().st_size,
                "model_id": model_id.hex(),
                "points": (points := gan_points(held_out, path)),
                "against_jpeg": compared(jpeg, points),
            }

        footage = [Footage(clip.label, frames[:cut])]
        judge("untrained", Training(footage, device=chosen.device))
        for name, weights in trained.items():
            training = Training(footage, device=chosen.device, weights=weights)
            training.run(chosen.minutes, Reporter())
            judge(name, training)
    result = {
        "clip": chosen.clip.name,
        "shape": list(frames[0].shape),
        "frames_trained": cut,
        "frames_judged": len(held_out),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "jpeg": jpeg,
        **runs,
    }
    text = json.dumps(result, indent=2)
    if chosen.output:
        chosen.output.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


def scaled(frame: Pixels, width: int) -> Pixels:
    """The frame, made smaller where it is wider than `width`."""
    if not width or frame.shape[1] <= width:
        return frame
    size = (width, round(frame.shape[0] * width / frame.shape[1]))
    smaller: Pixels = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return smaller


class Reporter:
    """A line every ten seconds of one training."""

    def __init__(self) -> None:
        self._told_s = 0.0

    def __call__(self, now: Progress) -> None:
        if now.elapsed_s - self._told_s >= 10:
            self._told_s = now.elapsed_s
            terms = ", ".join(f"{name} {value:.5f}" for name, value in now.losses.items())
            say(f"  {now.elapsed_s:.0f} s, step {now.step}: {terms}")


if __name__ == "__main__":
    sys.exit(main())
