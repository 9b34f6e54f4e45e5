"""The files of a replay: one file, a folder, or a glob, in the order in which they are played."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rankcast.errors import SourceError
from rankcast.images import IMAGE_SUFFIXES
from rankcast.natural_order import natural_key
from rankcast.user_path import expand_path
from rankcast.video import VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True)
class ReplayFiles:
    """The files selected by a path."""

    files: tuple[Path, ...]
    """Files to play, in natural order."""
    passed_over: tuple[Path, ...] = ()
    """What a folder or a glob names beside them and is neither an image nor a clip."""


def is_image(path: Path) -> bool:
    """Return True if the file name has the suffix of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video(path: Path) -> bool:
    """Return True if the file name has the suffix of a clip."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_files(text: str) -> ReplayFiles:
    """Find the files that a user-supplied path selects.

    Parameters
    ----------
    text : str
        A file of any name, or a folder or a glob, of which images and clips are played. A name
        that exists is taken literally, also where it looks like a glob.

    Raises
    ------
    SourceError
        If there is nothing to play.
    """
    shown = f"replay:{text:.200}"
    try:
        path = Path(expand_path(text))
        if path.is_dir():
            found = _sorted_out(path.iterdir())
            missing = (
                "the folder contains no image or clip with a known suffix, such as .png or .mp4"
            )
        elif path.is_file():
            found, missing = ReplayFiles((path,)), ""
        elif path.exists():
            raise SourceError(f"{shown} is neither a file nor a folder")
        elif glob.has_magic(str(path)):
            found = _sorted_out(_matches(path))
            missing = (
                "it matches no image or clip with a known suffix, such as .png or .mp4"
                if found.passed_over
                else "no file matches"
            )
        else:
            raise SourceError(f"{shown} does not exist")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise SourceError(f"{shown} cannot be read: {reason}") from exc
    if not found.files:
        raise SourceError(f"{shown}: {missing}")
    return found


def _is_playable(entry: Path) -> bool:
    # macOS and editors create files with a leading dot next to images.
    named = (is_image(entry) or is_video(entry)) and not entry.name.startswith(".")
    return named and entry.is_file()


def _sorted_out(entries: Iterable[Path]) -> ReplayFiles:
    files: list[Path] = []
    others: list[Path] = []
    for entry in sorted(entries, key=natural_key):
        (files if _is_playable(entry) else others).append(entry)
    return ReplayFiles(tuple(files), tuple(others))


def _matches(pattern: Path) -> list[Path]:
    """Paths that match; folders of the pattern that exist are literal, brackets included."""
    folder = pattern.parent
    while not folder.is_dir():
        folder = folder.parent
    rest = str(pattern.relative_to(folder))
    return [folder / name for name in glob.glob(rest, root_dir=folder, recursive=True)]
