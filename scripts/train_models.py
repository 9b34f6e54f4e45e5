"""Fit the models that a key frame of svd-patch begins with, to clips and pictures.

    python scripts/train_models.py clip.mp4 folder_of_one_sequence picture.png ...

Codes the start of every clip at several steps, and looks at what the adaptive models came to. Of
each model the beta distribution under which these are likeliest gives the first estimate, and how
many bits it counts for. Writes common/rankcast/core/src/svd_patch/fresh_models.h.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from make_core_tables import SOURCES, header, table
from numpy.typing import NDArray
from scipy.special import betaln

from rankcast.codec.svd_patch.encoder import SvdPatchEncoder
from rankcast.codec.svd_patch.options import SvdPatchOptions
from rankcast.codec.svd_patch.picture import FRESH_MODELS, Picture
from rankcast.entropy.rangecoder import FRESH_MODEL, REGISTERS
from rankcast.frame import Frame, Pixels
from rankcast.images import read_image
from rankcast.video import VIDEO_SUFFIXES, VideoFile

STEPS: Final = (2.0, 4.0, 8.0, 16.0)
DEEP_SCALE: Final = 64
"""Steps of 16-bit pictures over those of 8: as a camera of 14 bits would take them."""
FRAMES: Final = 6
PROBABILITIES: Final = np.arange(1, 256) / 256
STRENGTHS: Final = np.array([1, 2, 3, 4, 6, 8, 11, 16, 23, 32])
"""Sums of both parameters of the distribution; a model counts for one bit less. 1 is the estimator
of Krichevsky and Trofimov."""


def pixels_of(path: Path) -> Iterator[Pixels]:
    """Yield the frames of a clip, of a folder of pictures, or one picture."""
    if path.is_dir():
        yield from (read_image(file) for file in sorted(path.iterdir()) if file.is_file())
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        video = VideoFile(path)
        try:
            yield from (frame.pixels for frame in video)
        finally:
            video.close()
    else:
        yield read_image(path)


def models_after(frames: list[Frame], step: float) -> list[NDArray[np.int64]]:
    """Return the models of every slice after coding some frames."""
    scale = DEEP_SCALE if frames[0].pixels.dtype == np.uint16 else 1
    encoder = SvdPatchEncoder(SvdPatchOptions(step=step * scale))
    for sequence, frame in enumerate(frames):
        encoder.encode(frame, sequence)
    picture: Picture | None = encoder._reference  # noqa: SLF001 - training looks inside
    assert picture is not None
    return [coder[REGISTERS:].copy() for coder in picture.coders]


def evidence(models: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-likelihood of what one model came to, by [strength, probability]."""
    share = (models >> 16 & 0xFFFF) / 65536
    count = (models >> 32).astype(np.float64)
    ones = (share * count)[:, None, None]
    zeros = ((1 - share) * count)[:, None, None]
    a = STRENGTHS[:, None] * PROBABILITIES
    b = STRENGTHS[:, None] * (1 - PROBABILITIES)
    likelihood = betaln(a + ones, b + zeros) - betaln(a, b)
    return np.asarray(likelihood.mean(axis=0))


def fit(clips: list[list[NDArray[np.int64]]]) -> list[str]:
    """Return the table's entries from the models that each clip came to."""
    entries = []
    for model in range(len(clips[0][0])):
        total = np.zeros((len(STRENGTHS), len(PROBABILITIES)))
        for clip in clips:
            seen = np.array([models[model] for models in clip if models[model] >> 32])
            if len(seen):
                total += evidence(seen)
        # Nothing is known of a model that no clip has used: any entry would do.
        best = np.unravel_index(np.argmax(total), total.shape) if total.any() else (0, 127)
        entries.append(f"{{{round(PROBABILITIES[best[1]] * 256)}, {STRENGTHS[best[0]] - 1}}}")
    return entries


def main() -> None:
    """Code all clips and write the table."""
    FRESH_MODELS[:] = FRESH_MODEL  # not what the last training came to
    clips = []
    for argument in sys.argv[1:]:
        pictures = list(islice(pixels_of(Path(argument)), FRAMES))
        frames = [
            Frame(pixels, number, t_capture_mono_ns=1 + number * 40_000_000)
            for number, pixels in enumerate(pictures)
        ]
        clips.append([models for step in STEPS for models in models_after(frames, step)])
        sys.stderr.write(f"{argument}\n")
    text = header(
        "fresh_models",
        f"What the models begin with in a key frame, fitted to {len(clips)} clips and pictures.",
        "typedef struct {\n    u8 ones;  /* share of ones, in 256ths */\n"
        "    u8 count; /* bits that it counts for */\n} FreshModel;\n",
        table(f"static const FreshModel FRESH_MODELS[{len(clips[0][0])}]", fit(clips)),
        base="../base.h",
    ).replace("make_core_tables.py", "train_models.py")
    (SOURCES / "svd_patch" / "fresh_models.h").write_text(text)


if __name__ == "__main__":
    main()
