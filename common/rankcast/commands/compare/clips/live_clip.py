"""Some seconds of a camera, recorded so that every trial codes the same frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rankcast.encoder import Encoder
from rankcast.errors import SourceError
from rankcast.frame import Frame
from rankcast.recordings import SUFFIX, RecordingWriter
from rankcast.wire import OFFLINE

log = logging.getLogger(__name__)

GROUP: Final = "rankcast.captures"
"""Entry points of a sender: for each scheme of a camera, a function that yields its frames."""
CAMERA: Final = "clip"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")

Capture = Callable[[str, float], Iterator[Frame]]


def find_capture(text: str) -> Capture | None:
    """Return what captures the camera that `text` names; None if it names no camera."""
    scheme, colon, _ = text.partition(":")
    if not colon:
        return None
    found = entry_points(group=GROUP, name=scheme.lower())
    return found[scheme.lower()].load() if found else None


@contextmanager
def clip_file(capture: Capture | None, image: Path, seconds: float) -> Iterator[Path]:
    """Yield the file of a clip: `image` itself or, with `capture`, a recording for the while.

    Raises
    ------
    SourceError
        If the camera gives fewer than two frames.
    RecordingError
        If the disk has no room for the frames.
    """
    if capture is None:
        yield image
        return
    text = str(image)
    with TemporaryDirectory(prefix="rankcast-") as scratch:
        path = Path(scratch) / (_UNSAFE.sub("-", text).strip("-") + SUFFIX)
        frames = _record(capture, text, seconds, path)
        log.info("%s: recorded %d frames", text, frames)
        yield path


def _record(capture: Capture, text: str, seconds: float, path: Path) -> int:
    # Raw samples: a codec that is slower than the camera would lose frames.
    encoder = Encoder("raw")
    encoder.max_packet_bytes = OFFLINE.max_packet_bytes
    count = 0
    with RecordingWriter(path) as writer:
        for frame in capture(text, seconds):
            writer.write(CAMERA, encoder.encode(frame))
            count += 1
    if count < 2:
        raise SourceError(f"{text}: gave {count} frames in {seconds:g} s, want at least 2")
    return count
