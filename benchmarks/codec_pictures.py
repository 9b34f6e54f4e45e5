"""Pictures and clips of the benchmark, from a folder or the synthetic conveyor.

The folder has any of ``kodak/*.png`` (colour stills), ``video/*.mp4`` (clips of fixed cameras),
``seq/*/`` (sequences of fixed cameras with their noise), ``raw16/*.tif`` (deep frames) and
``industrial/*`` (drawings of few levels). Missing material is replaced by synthetic frames, which
the results name as such.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import tifffile

from rankcast.opencv import cv2

Pixels: TypeAlias = Any
Pictures: TypeAlias = dict[str, Pixels]
Clips: TypeAlias = dict[str, list[Pixels]]

# tifffile warns about tags written by microscopes, although the pixels are valid.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

SCENE_NOISE: Final = 2.0
"""Standard deviation of the noise of a scene, in grey levels."""


def conveyor(count: int, every: int = 1, **options: Any) -> list[Pixels]:
    """Frames of ``synthetic:conveyor`` with `options`, each `every`-th one."""
    # Imported late, because only synthetic frames need the sender.
    from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

    source = ConveyorSource("conveyor", ConveyorOptions(**options))
    return [np.array(source.render(number * every)) for number in range(count)]


def read_picture(path: Path) -> Pixels:
    """One picture; colour as BGR, without alpha."""
    if path.suffix in (".tif", ".tiff"):
        image = tifffile.imread(path)
        if image.ndim == 3:
            image = image[:, :, 2::-1]
    else:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise OSError(f"OpenCV could not read {path}")
        if image.ndim == 3:
            image = image[:, :, :3]
    return np.ascontiguousarray(image)


def read_clip(path: Path, count: int) -> list[Pixels]:
    """First frames of a clip or of a folder of pictures."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".png", ".tif", ".tiff", ".jpg"))
        return [read_picture(p) for p in files[:count]]
    video = cv2.VideoCapture(str(path))
    frames = []
    try:
        while len(frames) < count:
            done, frame = video.read()
            if not done:
                break
            frames.append(frame)
    finally:
        video.release()
    return frames


def _files(data: Path | None, *patterns: str) -> list[Path]:
    return sorted(p for pattern in patterns for p in data.glob(pattern)) if data else []


def stills(data: Path | None, most: int | None) -> Pictures:
    """Colour stills."""
    found = {p.stem: read_picture(p) for p in _files(data, "kodak/*.png")[:most]}
    if found:
        return found
    made = {}
    for seed in range(min(4, most or 4)):
        made[f"conveyor-{seed}"] = conveyor(1, width=768, height=512, seed=seed, noise=1.0)[0]
    return made


def video_clips(data: Path | None, count: int, most: int | None) -> Clips:
    """Clips of fixed cameras in which earlier lossy coding has removed most of the noise."""
    found = {p.stem: read_clip(p, count) for p in _files(data, "video/*.mp4")[:most]}
    return found or {
        "conveyor-360p": conveyor(count, width=640, height=360, noise=0.5, fps=30.0),
        "conveyor-720p": conveyor(count, width=1280, height=720, noise=0.5, fps=30.0, seed=1),
    }


def sequences(data: Path | None, count: int) -> Clips:
    """Sequences of fixed cameras with the noise of their sensors."""
    folders = [p for p in _files(data, "seq/*") if p.is_dir()]
    return {p.name: read_clip(p, count) for p in folders} or {
        "conveyor-grey-noise-1": conveyor(
            count, width=640, height=480, channels="grey", noise=1.0, fps=30.0
        ),
    }


def synthetic_clips(count: int, most: int | None) -> Clips:
    """Return the conveyor, which repeats exactly but for its noise."""
    made = {
        "conveyor-720p": {"width": 1280, "height": 720, "noise": 0.5, "seed": 1},
        "conveyor-grey-360p": {"width": 640, "height": 360, "noise": 0.5, "channels": "grey"},
    }
    return {
        name: conveyor(count, fps=30.0, **options) for name, options in list(made.items())[:most]
    }


NOISE_SIGMA: Final = 2.0
"""Standard deviation of the noise that is added, in levels: that of a small sensor indoors."""
_PAN_SIGMA: Final = 1.0
"""That of a good sensor. Without any, every second frame of a pan by half pixels would repeat
exactly, which favours an encoder with several references beyond what a camera shows."""


def _with_noise(frames: Sequence[Pixels], sigma: float) -> list[Pixels]:
    rng = np.random.default_rng(5)
    return [
        np.clip(np.rint(frame + rng.normal(0, sigma, frame.shape)), 0, 255).astype(np.uint8)
        for frame in frames
    ]


def noisy_clips(data: Path | None, count: int, most: int | None) -> Clips:
    """Clips of fixed cameras with the noise back that earlier coding has removed, of all pixels."""
    return {
        f"{name}-noise-{NOISE_SIGMA:g}": _with_noise(frames, NOISE_SIGMA)
        for name, frames in video_clips(data, count, most or 2).items()
    }


def moving_clips(data: Path | None, count: int, most: int | None) -> Clips:
    """Clips of moving cameras: a panned view of stills, and a shaken one of clips, `most` of each.

    The view is cut at whole pixels and halved, so that it moves by half pixels and each pixel is a
    mean of four, as on a sensor.
    """
    made: Clips = {}
    each = most or 2
    for name, still in list(stills(data, None).items())[:each]:
        path = [(_bounced(3 * n, 128), _bounced(n, 96)) for n in range(count)]
        view = [_view(still, x, y, 128, 96) for x, y in path]
        made[f"pan-{name}"] = _with_noise(view, _PAN_SIGMA)
    for name, frames in video_clips(data, count, None).items():
        if frames[0].shape[0] < _SHAKEN_HEIGHT or len(made) == 2 * each:
            continue
        shake = [
            (round(40 + 24 * np.sin(0.31 * n) + 9 * np.sin(1.7 * n)),
             round(40 + 20 * np.sin(0.23 * n + 1) + 7 * np.sin(1.3 * n)))
            for n in range(len(frames))
        ]  # fmt: skip
        made[f"shaken-{name}"] = [
            _view(frame, x, y, 80, 80) for frame, (x, y) in zip(frames, shake, strict=True)
        ]
    return made


_SHAKEN_HEIGHT: Final = 720
"""Half the view of a smaller clip would be mostly packet headers."""


def _bounced(place: int, most: int) -> int:
    """Return a place that runs to `most` and back, again and again."""
    place %= 2 * most
    return place if place <= most else 2 * most - place


def _view(image: Pixels, x: int, y: int, margin_x: int, margin_y: int) -> Pixels:
    height, width = image.shape[0] - margin_y, image.shape[1] - margin_x
    height, width = height - height % 4, width - width % 4
    cut = image[y : y + height, x : x + width]
    return cv2.resize(cut, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def even(frames: Sequence[Pixels]) -> list[Pixels]:
    """Return the frames without a last odd row or column, which 4:2:0 of the peers lacks."""
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    return [np.ascontiguousarray(frame[:height, :width]) for frame in frames]


def deep_frames(data: Path | None) -> Pictures:
    """Grey frames of 12 and 16 bits: real ones if available, plus synthetic ones."""
    made = {
        f"conveyor-{bits}bit": conveyor(
            1, width=640, height=480, channels="grey", dtype="uint16", bits=bits, noise=0.5
        )[0]
        for bits in (12, 16)
    }
    return {p.stem.split(".")[0]: read_picture(p) for p in _files(data, "raw16/*.tif")} | made


def drawings(data: Path | None) -> Pictures:
    """Pictures of few levels."""
    return {p.stem: read_picture(p) for p in _files(data, "industrial/*")}


def scaled(frames: Sequence[Pixels], width: int, height: int) -> list[Pixels]:
    """Frames scaled to a common size."""
    mode = cv2.INTER_CUBIC if frames[0].shape[1] < width else cv2.INTER_AREA
    return [
        f if f.shape[:2] == (height, width) else cv2.resize(f, (width, height), interpolation=mode)
        for f in frames
    ]


def _noisy_view(picture: Pixels, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, SCENE_NOISE, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def scene(name: str, data: Path | None, count: int, width: int, height: int) -> list[Pixels]:
    """Frames of a speed measurement: one of the scenes that its record describes."""
    if name == "standing":
        (picture,) = conveyor(1, width=width, height=height, channels="grey", noise=0.0)
        return [_noisy_view(picture, seed) for seed in range(count)]
    if name in ("noisy", "sensor"):
        channels = "grey" if name == "sensor" else "colour"
        return conveyor(count, width=width, height=height, channels=channels, noise=SCENE_NOISE)
    clips = _files(data, "video/*720p.mp4", "video/*.mp4")
    moving = (
        scaled(read_clip(clips[0], count), width, height)
        if clips
        else conveyor(count, width=width, height=height, noise=0.0, fps=30.0)
    )
    return moving if name == "moving" else [moving[0]] * count
