"""Footage: the frames of labelled cameras that a model is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import IMAGE_SUFFIXES, read_image
from rankcast.models.gan.architecture import check_labels
from rankcast.models.gan.pictures import Planes, measure_exposure, planes_of
from rankcast.video import VideoFile

MAX_BYTES: Final = 1 << 30
"""Most memory for all frames; longer clips are thinned out evenly."""
_MEDIAN_FRAMES: Final = 48
_LEAST_FOR_BACKGROUND: Final = 8
_DETAIL_SHARE: Final = 0.8
"""A background is kept if it leaves less than this share of the detail of a frame."""


@dataclass(frozen=True, slots=True)
class Footage:
    """The frames of one camera."""

    label: str
    frames: Sequence[Pixels]
    """uint8, (H, W) or (H, W, 3)."""
    found: int = 0
    """Frames read, before thinning."""
    held_out: Sequence[Pixels] = ()
    """Frames excluded from training, used to evaluate the model."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width common to all frames, held-out ones included; None if they differ."""
        sizes = {frame.shape[:2] for frame in (*self.frames, *self.held_out)}
        return sizes.pop() if len(sizes) == 1 else None

    def background(self) -> Planes | None:
        """Median picture of a fixed camera, or None if the frames share no background.

        It is kept if it removes a fifth of the frames' energy within 8 x 8 blocks; the means of the
        blocks are cheap to code even without it.
        """
        if self.shape is None or len(self.frames) < _LEAST_FOR_BACKGROUND:
            return None
        every = max(1, len(self.frames) // _MEDIAN_FRAMES)
        planes = np.stack([planes_of(frame) for frame in self.frames[::every]])
        median: Planes = np.median(planes, axis=0).astype(np.float32)
        left = sum(_detail(one - measure_exposure(one, median).applied(median)) for one in planes)
        return median if left < _DETAIL_SHARE * sum(_detail(one) for one in planes) else None


def _detail(planes: NDArray[np.float32]) -> float:
    """Return the energy of Y within its 8 x 8 blocks, without their means."""
    y = planes[0]
    if min(y.shape) < 8:
        return float(np.sum((y - y.mean()) ** 2))
    y = y[: y.shape[0] // 8 * 8, : y.shape[1] // 8 * 8]
    blocks = y.reshape(y.shape[0] // 8, 8, y.shape[1] // 8, 8)
    return float(np.sum((blocks - blocks.mean((1, 3), keepdims=True)) ** 2))


def read_footage(
    paths: Sequence[Path], labels: Sequence[str], hold_out: float = 0.0
) -> list[Footage]:
    """Read the footage to train on.

    Parameters
    ----------
    paths : sequence of Path
        Images, folders of images, or clips.
    labels : sequence of str
        One for each path; paths with the same label belong to the same camera. If empty, each path
        is labelled with its file name, without the suffix of a file.
    hold_out : float
        Share at the end of each path, below 1, that is excluded from training: the last frames
        differ most from the rest. At least one frame is held out, and at least one is kept.

    Raises
    ------
    SettingsError
        If there is not one label for each path, a label is invalid, unlabelled paths share a name,
        or a path has too few frames to hold any out.
    SourceError
        If a path cannot be read, or its frames are not 8-bit with 1 or 3 channels.
    """
    if labels and len(labels) != len(paths):
        raise SettingsError(f"got {len(labels)} labels for {len(paths)} paths, want one for each")
    for path in paths:
        if not path.is_file() and not path.is_dir():
            raise SourceError(f"{path}: not an image, a video or a folder")
    names = list(labels) or [_name_of(path) for path in paths]
    if not labels and (twice := {name for name in names if names.count(name) > 1}):
        raise SettingsError(
            f"got {names.count(name := min(twice))} paths named {name!r:.80}: "
            "give --label NAME once for each path, the same for paths of one camera"
        )
    check_labels(list(dict.fromkeys(names)))
    budget = MAX_BYTES // max(1, len(paths))
    kept: dict[str, Footage] = {}
    for path, name in zip(paths, names, strict=True):
        frames, number = _thinned(_frames(path), budget)
        if hold_out and len(frames) < 2:
            raise SettingsError(
                f"{path}: has one frame, from which no share of {hold_out:g} can be held out: use "
                "longer clips, or hold nothing out"
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
    """Keep every frame, or every second, fourth ... to fit `budget` bytes; count all of them."""
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
            raise SourceError(f"{path}: the folder contains no image")
        for file in files:
            yield _checked(file, read_image(file))
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield _checked(path, read_image(path))
    else:
        yield from _video(path)


def _checked(path: Path, pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3)):
        raise SourceError(
            f"{path}: got shape {pixels.shape} {pixels.dtype}, want 8 bits and 1 or 3 channels"
        )
    return pixels


def _video(path: Path) -> Iterator[Pixels]:
    with VideoFile(path) as video:
        for frame in video.undamaged():
            yield _checked(path, frame.pixels)
