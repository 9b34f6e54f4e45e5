"""Model folder: where a receiver keeps its model files, searched by model id."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

from rankcast.errors import ModelError, RankcastError, UnknownModelError
from rankcast.models.model_file import SUFFIX, Head, known_file, read_head

log = logging.getLogger(__name__)

RESCAN_S: Final = 1.0
"""Shortest interval between disk scans: a stream without its model requests one every frame."""
MAX_FILES: Final = 4096


class Model(Protocol):
    """A loaded model."""

    @property
    def model_id(self) -> bytes:
        """Id of the model."""


M = TypeVar("M", bound=Model)


class ModelFolder:
    """Finds model files by the model id in packets.

    Parameters
    ----------
    path : Path, optional
        Folder of ``.rkm`` files, which may appear and disappear at any time. Without a folder,
        only models already opened by this process are found.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._seen: dict[Path, tuple[int, int, Head]] = {}
        self._scanned = float("-inf")

    def candidates(self, model_id: bytes) -> list[Path]:
        """Return the files whose headers state `model_id`, the most promising first."""
        known = known_file(model_id)
        files = [known] if known is not None and _holds(known, model_id) else []
        if self.path is not None:
            now = time.monotonic()
            if now - self._scanned >= RESCAN_S:
                self._scanned = now
                self._scan(self.path)
            holders = [path for path, seen in self._seen.items() if seen[2].model_id == model_id]
            # A truncated copy has the same header as the complete file.
            files += sorted(holders, key=lambda path: not self._is_whole(path))
        return list(dict.fromkeys(file.absolute() for file in files))

    def newest(self, kind: str, most: int) -> list[Path]:
        """Return complete files of a kind, one per model, for the `most` newest models."""
        if self.path is not None:
            self._scan(self.path)
        models: dict[bytes, Path] = {}
        for path, (_, _, head) in sorted(self._seen.items(), key=lambda one: -one[1][0]):
            if head.kind == kind and self._is_whole(path):
                models.setdefault(head.model_id, path)
        return list(models.values())[:most]

    def load(self, model_id: bytes, load: Callable[[Path], M]) -> M | None:
        """Load a model from the first undamaged file that contains it; None if there is no file.

        Raises
        ------
        UnknownModelError
            If files contain it but none is usable; the message describes the first.
        """
        wrong = None
        for file in self.candidates(model_id):
            try:
                model = load(file)
            except RankcastError as exc:
                # The id comes from a peer: an unusable file costs one refused packet, unless
                # another copy is good.
                wrong = wrong or exc
                continue
            if model.model_id == model_id:
                return model
            wrong = wrong or ModelError(f"{file}: now holds another model")
        if wrong is not None:
            raise UnknownModelError(f"needs model {model_id.hex()}: {wrong}") from wrong
        return None

    def _is_whole(self, file: Path) -> bool:
        _, size, head = self._seen[file]
        return size == head.whole_bytes

    def _scan(self, folder: Path) -> None:
        found: dict[Path, tuple[int, int, Head]] = {}
        try:
            files = sorted(folder.glob(f"*{SUFFIX}"))[:MAX_FILES]
        except OSError as exc:
            log.warning("%s: %s", folder, exc)
            files = []
        for file in files:
            try:
                status = file.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                old = self._seen.get(file)
                # Read only changed files, because headers of large models add up.
                head = old[2] if old and old[:2] == stamp else read_head(file)
                found[file] = (*stamp, head)
            except (OSError, RankcastError) as exc:
                log.debug("%s", exc)
        self._seen = found


def _holds(file: Path, model_id: bytes) -> bool:
    """Return True if a file still contains the model; it may have been rewritten."""
    try:
        return read_head(file).model_id == model_id
    except (OSError, RankcastError):
        return False
