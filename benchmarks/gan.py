"""Codec gan on a fixed camera: trained on the first 80 % of a clip, tested on the rest.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/gan.py CLIP [--minutes 10] [--ablation] [--quick]
                                                     [--output FILE.json]

Luma MS-SSIM and bytes of complete packets of held-out frames at several steps, beside JPEG
(optimised Huffman tables, 4:2:0) at the same bytes, interpolated on a logarithmic scale of bytes.
The untrained model, a transform codec of the difference to the median picture, separates what
training adds from what the background provides. ``--ablation`` trains another model for the same
time from the same seed without the discriminator. OMP_WAIT_POLICY stops idle threads from spinning,
which on a shared machine would cost most of the training steps.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from command_line import finish, option_parser, say
from record import Record, Row, rounded

import rankcast
from rankcast.frame import Pixels
from rankcast.models.gan.footage import Footage, read_footage
from rankcast.models.gan.objective import luma_ms_ssim
from rankcast.models.gan.training import Progress, Training, Weights
from rankcast.numerics import psnr_db
from rankcast.opencv import cv2

TRAINED_SHARE: Final = 0.8
TESTED_FRAMES: Final = 24
STEPS: Final = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
QUALITIES: Final = (3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
RATES: Final = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Bit/pixel at which both are compared."""


def point(frames: Sequence[Pixels], coded: Sequence[tuple[int, Pixels]]) -> dict[str, float]:
    """Return means over `frames` of bit/pixel, MS-SSIM and PSNR."""
    pixels = frames[0].shape[0] * frames[0].shape[1]
    return {
        "bit_per_pixel": float(np.mean([8 * size / pixels for size, _ in coded])),
        "ms_ssim": float(
            np.mean([luma_ms_ssim(f, r) for f, (_, r) in zip(frames, coded, strict=True)])
        ),
        "psnr_db": float(np.mean([psnr_db(f, r) for f, (_, r) in zip(frames, coded, strict=True)])),
    }


def jpeg_points(frames: Sequence[Pixels]) -> list[dict[str, float]]:
    """Measure JPEG, as packets of codec `jpeg`."""
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
    """Measure one model at every step, with times."""
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
    """Return the MS-SSIM at `rate` bit/pixel; None outside the range of the points."""
    found = sorted((math.log(one["bit_per_pixel"]), one["ms_ssim"]) for one in points)
    x, y = zip(*found, strict=True)
    if not x[0] <= math.log(rate) <= x[-1]:
        return None
    return float(np.interp(math.log(rate), x, y))


def bytes_ratio(
    jpeg: Sequence[dict[str, float]], gan: Sequence[dict[str, float]], rate: float
) -> float | None:
    """Return gan's bytes over JPEG's at the MS-SSIM that gan has at `rate` bit/pixel."""
    wanted = at_rate(gan, rate)
    if wanted is None:
        return None
    curve = sorted((one["ms_ssim"], math.log(one["bit_per_pixel"])) for one in jpeg)
    quality, log_rate = zip(*curve, strict=True)
    if not quality[0] <= wanted <= quality[-1]:
        return None
    return rate / math.exp(float(np.interp(wanted, quality, log_rate)))


def rows(jpeg: Sequence[dict[str, float]], runs: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return bytes at equal MS-SSIM, MS-SSIM at equal bytes, times and size of each model."""
    found = []
    for name, run in runs.items():
        points = run["points"]
        for rate in RATES:
            if ratio := bytes_ratio(jpeg, points, rate):
                what = f"{name}: bytes at equal MS-SSIM, at {rate:g} bit/pixel"
                found.append(Row(what, peer="JPEG", ratio=ratio))
            ours, theirs = at_rate(points, rate), at_rate(jpeg, rate)
            if ours is not None and theirs is not None:
                what = f"{name}: 1 - MS-SSIM at {rate:g} bit/pixel"
                found.append(Row(what, 1 - ours, peer="JPEG", ratio=(1 - ours) / (1 - theirs)))
        middle = points[len(points) // 2]
        found += [
            Row(f"{name}: encode at step {middle['step']:g}", middle["encode_ms"], "ms"),
            Row(f"{name}: decode at step {middle['step']:g}", middle["decode_ms"], "ms"),
            Row(f"{name}: model file", run["model_bytes"] / 1e6, "MB"),
        ]
    return found


def main() -> int:
    """Train, test and write the record."""
    parser = option_parser(__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=0.0, help="default 10, 1 with --quick")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--width", type=int, default=0, help="scale frames down to this width")
    parser.add_argument("--frames", type=int, default=TESTED_FRAMES, help="held-out ones tested")
    parser.add_argument("--ablation", action="store_true", help="train without discriminator, too")
    parser.add_argument("--models", type=Path, help="keep the models in this folder")
    options = parser.parse_args()
    minutes = options.minutes or (1.0 if options.quick else 10.0)

    (clip,) = read_footage([options.clip], [])
    frames = [scaled(frame, options.width) for frame in clip.frames]
    cut = int(len(frames) * TRAINED_SHARE)
    held_out = frames[cut:][:: max(1, len(frames[cut:]) // options.frames)][: options.frames]
    say(f"{len(frames)} frames of {frames[0].shape}, the first {cut} train")
    jpeg = jpeg_points(held_out)
    trained = {"trained": Weights()}
    if options.ablation:
        trained["without discriminator"] = Weights(adversarial=0.0)
    runs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.models or Path(temporary)

        def test(name: str, training: Training) -> None:
            path = folder / f"{clip.label}-{name.replace(' ', '-')}.rkm"
            training.model().save(path, training.about())
            say(f"{name}:")
            runs[name] = {
                "model_bytes": path.stat().st_size,
                "points": gan_points(held_out, path),
            }

        footage = [Footage(clip.label, frames[:cut])]
        test("untrained", Training(footage, device=options.device))
        for name, weights in trained.items():
            training = Training(footage, device=options.device, weights=weights)
            training.run(minutes, ProgressReport())
            test(name, training)
    height, width = frames[0].shape[:2]
    record = Record(
        "gan",
        "Codec gan on a fixed camera",
        f"{width} x {height}, trained for {minutes:g} minutes on the first {cut} frames of"
        f" {options.clip.name}, tested on {len(held_out)} of the rest. Luma MS-SSIM; the model is"
        " not in the bytes.",
        rounded(rows(jpeg, runs)),
        data="one clip",
        quick=options.quick,
    )
    return finish(record, options.output)


def scaled(frame: Pixels, width: int) -> Pixels:
    """Return the frame, scaled down if it is wider than `width`."""
    if not width or frame.shape[1] <= width:
        return frame
    size = (width, round(frame.shape[0] * width / frame.shape[1]))
    smaller: Pixels = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return smaller


class ProgressReport:
    """Prints a line every ten seconds of training."""

    def __init__(self) -> None:
        self._reported_s = 0.0

    def __call__(self, now: Progress) -> None:
        """Report the losses if ten seconds have passed."""
        if now.elapsed_s - self._reported_s >= 10:
            self._reported_s = now.elapsed_s
            terms = ", ".join(f"{name} {value:.5f}" for name, value in now.losses.items())
            say(f"  {now.elapsed_s:.0f} s, step {now.step}: {terms}")


if __name__ == "__main__":
    sys.exit(main())
