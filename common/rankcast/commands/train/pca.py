"""``rankcast train pca``: components of whole pictures, for codec `pca` with ``layout=frames``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rankcast.atomic_file import check_writable
from rankcast.codec.pca.components import Components, components_for, principal_components
from rankcast.codec.pca.frames import MAX_VARIABLES, write_frame_model
from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import IMAGE_SUFFIXES, read_image
from rankcast.models import SUFFIX
from rankcast.opencv import cv2
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.video import VideoFile

MAX_PICTURES: Final = 2000
"""Most pictures used; of more, only every second, fourth ... is used. 2000 take seconds."""
MAX_SAMPLES: Final = 1 << 27
"""Most samples of all pictures together, 1 GiB in float64."""
SHARES: Final = (0.9, 0.95, 0.98, 0.99)


@click.command()
@click.option(
    "--data", "data", multiple=True, required=True, type=PATH, metavar="PATH",
    help="Image, folder of images, or video; repeatable.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=PATH, metavar="MODEL.rkm",
    help="Model file to write.",
)  # fmt: skip
@click.option(
    "--components", type=click.IntRange(1, 4096), default=64, show_default=True, metavar="N",
    help="Most components to store.",
)  # fmt: skip
@click.option("--grey", is_flag=True, help="Convert colour to grey.")
@click.option(
    "--size", metavar="WIDTHxHEIGHT",
    help="Scale the pictures to this size.  [default: original size]",
)  # fmt: skip
def train_pca(
    data: tuple[Path, ...], out: Path, components: int, grey: bool, size: str | None
) -> None:
    """Find the principal components of whole pictures.

    Each picture is one observation, each of its samples one variable. The model supports only
    frames of the size, channels and dtype it was trained on.
    """
    if out.suffix != SUFFIX:
        raise SettingsError(f"got --out {out}, want a name that ends in {SUFFIX}")
    check_writable(out)
    wanted = parse_size(size)
    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}"))
    with Progress(
        *columns, console=terminal, transient=True, disable=not terminal.is_terminal
    ) as progress:
        task = progress.add_task("reading", total=None)
        pictures = read_pictures(data, grey, wanted, lambda: progress.advance(task))
        progress.update(task, description="eigenvectors")
        found = principal_components(np.stack([one.reshape(-1) for one in pictures]))
    if not found.variances.size:
        raise SourceError(
            f"got {len(pictures)} identical pictures, want different ones: they have no variance"
        )
    shape, dtype = pictures[0].shape, pictures[0].dtype
    count = min(components, found.variances.size)
    model_id = write_frame_model(out, found, count, shape, dtype)
    click.echo(
        f"{printable(out)}: {out.stat().st_size:,} bytes, model {model_id.hex()}, {count} of "
        f"{found.variances.size} components of {len(pictures)} pictures of shape {shape}"
    )
    click.echo(_held(found, count))


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parse ``28x28``, width first; return None for None.

    Raises
    ------
    SettingsError
        If the text is not a size.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise SettingsError(f"got --size {text!r:.40}, want WIDTHxHEIGHT, such as 28x28")
    return int(match[1]), int(match[2])


def read_pictures(
    paths: Sequence[Path],
    grey: bool,
    size: tuple[int, int] | None,
    advance: Callable[[], Any] = lambda: None,
) -> list[Pixels]:
    """Read pictures of one shape and dtype; thin them out evenly if there are too many.

    Raises
    ------
    SourceError
        If there are fewer than two, or they differ in shape or dtype or are too large.
    """
    kept: list[Pixels] = []
    every = 1
    for number, (path, picture) in enumerate(_pictures(paths, grey)):
        advance()
        if number % every:
            continue
        if size is not None:
            scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            picture = scaled.reshape(size[1], size[0], *picture.shape[2:])
        if picture.size > MAX_VARIABLES:
            raise SourceError(
                f"{path}: got {picture.size:,} samples, want at most {MAX_VARIABLES:,}: "
                "scale the pictures with --size"
            )
        if kept and (picture.shape, picture.dtype) != (kept[0].shape, kept[0].dtype):
            raise SourceError(
                f"{path}: got {picture.shape} {picture.dtype}, want {kept[0].shape} "
                f"{kept[0].dtype} as of the first picture: use --size or --grey"
            )
        kept.append(picture)
        if len(kept) > min(MAX_PICTURES, MAX_SAMPLES // picture.size):
            kept, every = kept[::2], 2 * every
    if len(kept) < 2:
        raise SourceError(f"got {len(kept)} pictures, want at least 2: fewer have no variance")
    return kept


def _pictures(paths: Sequence[Path], grey: bool) -> Iterator[tuple[Path, Pixels]]:
    for path in paths:
        if path.is_dir():
            files = sorted(
                file
                for file in path.iterdir()
                if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
            )
            yield from ((file, read_image(file, grey=grey)) for file in files)
        elif not path.is_file():
            raise SourceError(f"{path}: not an image, a video or a folder")
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            yield path, read_image(path, grey=grey)
        else:
            yield from _video(path, grey)


def _video(path: Path, grey: bool) -> Iterator[tuple[Path, Pixels]]:
    with VideoFile(path) as video:
        for frame in video.undamaged():
            colour = grey and frame.pixels.ndim == 3
            yield path, cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2GRAY) if colour else frame.pixels


def _held(found: Components, count: int) -> str:
    """Return text on how many components explain which share of the variance."""
    parts = [f"{100 * share:g} % in {components_for(found.variances, share)}" for share in SHARES]
    held = 100 * float(found.shares[:count].sum())
    return f"variance: {', '.join(parts)}; {held:.2f} % in the file"
