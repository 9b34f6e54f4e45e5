"""What a model is trained on: frames of cameras, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import IMAGE_SUFFIXES, read_image
from rankcast.models.gan.architecture import check_labels
from rankcast.models.gan.pictures import Planes, measure_exposure, planes_of
from rankcast.opencv import cv2
from rankcast.printable import printable

MAX_BYTES: Final = 1 << 30
"""Of all frames in memory; longer clips are thinned out evenly."""
_MEDIAN_FRAMES: Final = 48
_LEAST_FOR_BACKGROUND: Final = 8
_WORTH: Final = 0.8
"""A background must leave less than this share of what a frame has within its blocks."""


@dataclass(frozen=True, slots=True)
class Footage:
    """The frames of one label."""

    label: str
    frames: Sequence[Pixels]
    """uint8, (H, W) or (H, W, 3)."""
    found: int = 0
    """Frames that there were: more than those here where memory did not hold them all."""
    held_out: Sequence[Pixels] = ()
    """Frames that nothing is learned from, to judge by."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width where every frame has the same, held-out ones too, else None."""
        sizes = {frame.shape[:2] for frame in (*self.frames, *self.held_out)}
        return sizes.pop() if len(sizes) == 1 else None

    def background(self) -> Planes | None:
        """Median picture of a fixed camera, or None where frames have nothing in common.

        It is worth having if it takes away a fifth of the energy that a frame has beyond the means
        of its 8 x 8 blocks, which are cheap to code anyway.
        """
        if self.shape is None or len(self.frames) < _LEAST_FOR_BACKGROUND:
            return None
        every = max(1, len(self.frames) // _MEDIAN_FRAMES)
        planes = np.stack([planes_of(frame) for frame in self.frames[::every]])
        median: Planes = np.median(planes, axis=0).astype(np.float32)
        left = sum(_detail(one - measure_exposure(one, median).applied(median)) for one in planes)
        return median if left < _WORTH * sum(_detail(one) for one in planes) else None


def _detail(planes: NDArray[np.float32]) -> float:
    """Energy of Y beyond the means of its blocks of 8 x 8."""
    y = planes[0]
    if min(y.shape) < 8:
        return float(np.sum((y - y.mean()) ** 2))
    y = y[: y.shape[0] // 8 * 8, : y.shape[1] // 8 * 8]
    blocks = y.reshape(y.shape[0] // 8, 8, y.shape[1] // 8, 8)
    return float(np.sum((blocks - blocks.mean((1, 3), keepdims=True)) ** 2))


def read_footage(
    paths: Sequence[Path], labels: Sequence[str], hold_out: float = 0.0
) -> list[Footage]:
    """Read what a model shall learn.

    Parameters
    ----------
    paths : sequence of Path
        Each one an image, a folder of images, or a video.
    labels : sequence of str
        One for each path, or none: then the name of each folder, or of each file without its
        suffix. Paths with the same label belong to the same camera.
    hold_out : float
        Share of the end of each path that is not to be learned from, below 1: what comes last is
        least like the rest. One frame at least is held out, and one left to learn from.

    Raises
    ------
    SettingsError
        If the numbers differ, a label is none that a model can keep, two paths have the same
        name and no labels say whether that is one camera, or a frame of a path of one is to be
        held out.
    SourceError
        If there is nothing to read, or it is not of 8 bits with 1 or 3 channels.
    """
    if labels and len(labels) != len(paths):
        raise SettingsError(f"got {len(labels)} labels for {len(paths)} paths, want one for each")
    for path in paths:
        if not path.is_file() and not path.is_dir():
            raise SourceError(f"{printable(path)}: is no image, video or folder")
    names = list(labels) or [_name_of(path) for path in paths]
    if not labels and (twice := {name for name in names if names.count(name) > 1}):
        raise SettingsError(
            f"got {names.count(name := min(twice))} paths of the name {printable(name)!r:.80}: "
            "want --label NAME for each of all paths, the same for those of one camera"
        )
    check_labels(list(dict.fromkeys(names)))
    budget = MAX_BYTES // max(1, len(paths))
    kept: dict[str, Footage] = {}
    for path, name in zip(paths, names, strict=True):
        frames, number = _thinned(_frames(path), budget)
        if hold_out and len(frames) < 2:
            raise SettingsError(
                f"{printable(path)}: is one frame, of which a share of {hold_out:g} cannot be held "
                "out: want clips, or nothing held out"
            )
        cut = len(frames) - (max(1, int(hold_out * len(frames))) if hold_out else 0)
        one = kept.get(name, Footage(name, ()))
        kept[name] = Footage(
            name, (*one.frames, *frames[:cut]), one.found + number, (*one.held_out, *frames[cut:])
        )
    return list(kept.values())


def _name_of(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def _thinned(frames: Iterator[Pixels], budget: int) -> tuple[list[Pixels], int]:
    """Every frame, or every second, fourth ... until they fit `budget` bytes; and how many came."""
    kept: list[Pixels] = []
    size, every, number = 0, 1, 0
    for number, frame in enumerate(frames, 1):
        if (number - 1) % every:
            continue
        kept.append(frame)
        size += frame.nbytes
        if size > budget and len(kept) > 1:
            kept = kept[::2]
            every *= 2
            size = sum(one.nbytes for one in kept)
    return kept, number


def _frames(path: Path) -> Iterator[Pixels]:
    if path.is_dir():
        files = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        )
        if not files:
            raise SourceError(f"{printable(path)}: the folder holds no image")
        for file in files:
            yield _checked(file, read_image(file))
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield _checked(path, read_image(path))
    else:
        yield from _video(path)


def _checked(path: Path, pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3)):
        raise SourceError(
            f"{printable(path)}: got shape {pixels.shape} {pixels.dtype}, want 8 bits and "
            "1 or 3 channels"
        )
    return pixels


def _video(path: Path) -> Iterator[Pixels]:
    capture: Any = cv2.VideoCapture(str(path))
    try:
        frames = 0
        while True:
            done, frame = capture.read()
            if not done:
                break
            frames += 1
            yield frame
        if not frames:
            raise SourceError(f"{printable(path)}: is no video that OpenCV can read")
    finally:
        capture.release()
