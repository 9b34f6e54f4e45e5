"""Option `denoise` of svd-patch: bytes, PSNR and time beside the same encoder without it.

    python benchmarks/denoise.py [--data DIR] [--quick] [--output FILE.json]

Noise of a known deviation is added to clips of fixed and moving cameras, so that what is decoded
can be compared with the clean clip. With ``--data`` the clips are video/*.mp4, and pans and shaken
views of what is there; without it the script draws synthetic ones.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from codec_pictures import Clips, moving_clips, video_clips
from command_line import data_name, finish, option_parser
from numpy.typing import NDArray
from record import Record, Row, at_least, at_most, rounded

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.numerics import moving_blocks
from rankcast.opencv import cv2

SIGMA: Final = 3.0
"""Of every channel; that of luma is 0.57 times as much."""
STEPS: Final = {1.0: "a step of 0.6", 2.0: "a step of 1.2", 4.0: "a step of 2.3"}
"""Steps, and what they are in deviations of luma."""
_USEFUL: Final = 2.5
"""Above it the noise of luma is hidden."""
_LEARNT: Final = 3
"""Frames until the encoder knows the noise."""
_BLOCK: Final = 16


@dataclass(frozen=True, slots=True)
class Coded:
    """A clip after it was coded."""

    bytes: int
    """Without the first frames."""
    processor_s: float
    still_db: float
    """PSNR of luma against the clean clip, in blocks that do not change there."""
    moving_db: float | None
    """In those that change; None if none does."""


def luma(pixels: Pixels) -> NDArray[np.float32]:
    """Return the luma of a picture."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return grey.astype(np.float32)


def mosaics(clips: Clips) -> Clips:
    """Return clips as a sensor under a colour filter takes them: one sample a pixel."""
    made: Clips = {}
    for name, frames in clips.items():
        made[name] = []
        for frame in frames:
            mosaic = frame[:, :, 1].copy()
            mosaic[::2, ::2], mosaic[1::2, 1::2] = frame[::2, ::2, 2], frame[1::2, 1::2, 0]
            made[name].append(mosaic)
    return made


def demosaiced(frames: Sequence[Pixels]) -> list[Pixels]:
    """Return the colour pictures of raw mosaics."""
    return [cv2.cvtColor(frame, cv2.COLOR_BayerBG2BGR) for frame in frames]


def with_noise(frames: Sequence[Pixels]) -> Iterator[Pixels]:
    """Yield the frames as a noisy sensor would show them."""
    rng = np.random.default_rng(5)
    for frame in frames:
        noisy = np.rint(frame + rng.normal(0, SIGMA, frame.shape))
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def coded(
    clean: Sequence[Pixels], noisy: Sequence[Pixels], step: float, cfa: str = "", *, denoise: bool
) -> Coded:
    """Code a clip and compare what is decoded with the clean one."""
    encoder = rankcast.Encoder("svd-patch", step=step, denoise=denoise)
    decoder = rankcast.Decoder()
    total, spent_s = 0, 0.0
    errors: dict[bool, list[NDArray[np.float32]]] = {False: [], True: []}
    for number, pixels in enumerate(noisy):
        frame = Frame(
            pixels, frame=number, t_capture_mono_ns=(number + 1) * 33_333_333, cfa=cfa
        )  # fmt: skip
        began_s = time.process_time()
        packet = encoder.encode(frame)
        ended_s = time.process_time()
        picture = luma(decoder.decode(packet))
        if number < _LEARNT:
            continue
        total += len(packet)
        spent_s += ended_s - began_s
        before, now = luma(clean[number - 1]), luma(clean[number])
        moved = moving_blocks(before, now, 255)
        rows, columns = (_BLOCK * count for count in moved.shape)
        squares = ((picture - now) ** 2)[:rows, :columns]
        blocks = squares.reshape(moved.shape[0], _BLOCK, moved.shape[1], _BLOCK).mean((1, 3))
        for moves in (False, True):
            errors[moves].append(blocks[moved == moves])
    decibels = [
        10 * float(np.log10(255**2 / error.mean()))
        if (error := np.concatenate(found)).size
        else None
        for found in (errors[False], errors[True])
    ]
    assert decibels[0] is not None
    return Coded(total, spent_s, decibels[0], decibels[1])


def compared(clips: Clips) -> dict[float, list[tuple[Coded, Coded]]]:
    """Return each clip without and with the option, by step."""
    found: dict[float, list[tuple[Coded, Coded]]] = {step: [] for step in STEPS}
    for clean in clips.values():
        noisy = list(with_noise(clean))
        for step, pairs in found.items():
            plain, denoised = (coded(clean, noisy, step, denoise=on) for on in (False, True))
            pairs.append((plain, denoised))
    return found


def raw_rows(fixed: Clips) -> Iterator[Row]:
    """Yield the bytes of a raw mosaic, and of what becomes of it before it is coded."""
    step, raw, colour = 2.0, [], []
    for clean in mosaics(fixed).values():
        noisy = list(with_noise(clean))
        for found, one, other, cfa in (
            (raw, clean, noisy, "RGGB"),
            (colour, demosaiced(clean), demosaiced(noisy), ""),
        ):
            plain, denoised = (coded(one, other, step, cfa, denoise=on) for on in (False, True))
            found.append((plain, denoised))
    for name, pairs in (("raw mosaics", raw), ("the same, demosaiced", colour)):
        yield Row(
            f"fixed cameras, {name}, a step of {step:g} levels: bytes", None, "",
            at_most(0.5) if pairs is raw else None, "without the option",
            statistics.geometric_mean(b.bytes / a.bytes for a, b in pairs),
        )  # fmt: skip
        gain = statistics.mean(b.still_db - a.still_db for a, b in pairs)
        yield Row(
            f"fixed cameras, {name}, a step of {step:g} levels: PSNR gained where nothing moves",
            gain, "dB", at_least(-0.3),
        )  # fmt: skip


def rows(fixed: Clips, moving: Clips) -> Iterator[Row]:
    """Yield means over clips, geometric for ratios."""
    peer = "without the option"
    for step, pairs in compared(fixed).items():
        name = f"fixed cameras, {STEPS[step]} deviations"
        yield Row(
            f"{name}: bytes", None, "", at_most(0.5 if step <= _USEFUL else 1.01), peer,
            statistics.geometric_mean(b.bytes / a.bytes for a, b in pairs),
        )  # fmt: skip
        yield Row(
            f"{name}: processor time of the encoder", None, "", None, peer,
            statistics.geometric_mean(b.processor_s / a.processor_s for a, b in pairs),
        )  # fmt: skip
        gain = statistics.mean(b.still_db - a.still_db for a, b in pairs)
        yield Row(f"{name}: PSNR gained where nothing moves", gain, "dB", at_least(-0.3))
        gains = [
            b.moving_db - a.moving_db
            for a, b in pairs
            if a.moving_db is not None and b.moving_db is not None
        ]
        if gains:
            yield Row(
                f"{name}: PSNR gained where something moves", statistics.mean(gains), "dB",
                at_least(-0.3),
            )  # fmt: skip
    for step, pairs in compared(moving).items():
        yield Row(
            f"moving cameras, {STEPS[step]} deviations: bytes", None, "", at_most(1.02), peer,
            statistics.geometric_mean(b.bytes / a.bytes for a, b in pairs),
        )  # fmt: skip
        changes = [b.still_db - a.still_db for a, b in pairs]
        changes += [
            b.moving_db - a.moving_db
            for a, b in pairs
            if a.moving_db is not None and b.moving_db is not None
        ]
        yield Row(
            f"moving cameras, {STEPS[step]} deviations: largest loss of PSNR", -min(changes), "dB",
            at_most(0.2),
        )  # fmt: skip


def clips_of(data: Path | None, quick: bool) -> tuple[Clips, Clips]:
    """Return clips of fixed and of moving cameras."""
    count, most = (16, 1) if quick else (60, None)
    return video_clips(data, count, most), moving_clips(data, count, most or 2)


def main() -> int:
    """Measure every clip and write the record."""
    options = option_parser(__doc__, data=True).parse_args()
    rankcast.set_threads(2)
    fixed, moving = clips_of(options.data, options.quick)
    record = Record(
        "denoise",
        "Noise that stands still",
        f"{len(fixed)} clips of fixed and {len(moving)} of moving cameras with noise of {SIGMA:g}"
        " levels added to every sample, independent of each other, coded by `svd-patch` with and"
        " without `denoise` at equal steps. PSNR is that of luma against the clip before noise was"
        " added, so that it rises where noise is removed and falls where something is smeared.",
        rounded((*rows(fixed, moving), *raw_rows(fixed)), 3),
        data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
