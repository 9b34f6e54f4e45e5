"""Fuzz target `model`: model files, as a receiver finds them in its folder by the id of a packet.

A message is a frame of the control channel whose map is the head of the file and whose packet its
arrays: the head is written as JSON, and the SHA-256 in it put right if there was one. Whatever is
no such frame is a file as it stands.
"""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import main

MAX_FILES = 8


class ModelTarget:
    """Reached: the head of a file was accepted. Accepted: the whole model was."""

    name = "model"

    def __init__(self) -> None:
        from mutator import take_apart

        from rankcast import errors
        from rankcast.codec.pca import frames
        from rankcast.models import model_file as modelfile
        from rankcast.models import model_folder as modelfolder
        from rankcast.models.gan import architecture
        from support.intake import check_line

        self.reached = self.accepted = 0
        self._take_apart, self._check_line, self._errors = take_apart, check_line, errors
        self._file, self._folders, self._frames = modelfile, modelfolder, frames
        self._architecture = architecture
        self._folder = Path(tempfile.mkdtemp(prefix="rankcast-fuzz-"))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)

    def run(self, messages: list[bytes]) -> None:
        """Write the files to a folder one by one and look each up."""
        for path in self._folder.iterdir():
            path.unlink()
        reached = accepted = False
        for number, message in enumerate(messages[:MAX_FILES]):
            path = self._folder / f"{number}.rkm"
            path.write_bytes(self._content(message))
            try:
                head = self._file.read_head(path)
            except self._errors.RankcastError as exc:
                self._check_line(exc)
                continue
            reached = True
            accepted |= self._use(path, head, message)
            found = self._folders.ModelFolder(self._folder).candidates(head.model_id)
            # Another file may state the same id: all are tried.
            assert path.absolute() in found
        self.reached += reached
        self.accepted += accepted

    def _use(self, path: Path, head: Any, message: bytes) -> bool:
        """Read the whole model as the codecs do; return False if it is refused."""
        try:
            model = self._file.read_model(path, head.kind)
            if head.kind == "gan":
                self._architecture.architecture_from(head.description)
            elif head.kind == "pca":
                self._show(self._frames.load_frame_model(path), message[-40:])
        except self._errors.RankcastError as exc:
            self._check_line(exc)
            return False
        assert sum(array.nbytes for array in model.arrays.values()) <= model.size_bytes
        return True

    def _show(self, model: Any, body: bytes) -> None:
        """Decode something with an accepted model."""
        if len(model.mean) > 4096:
            return
        for data in (body, b"\0" * 12):
            try:
                count = len(model.variances)
                scores = self._frames.unpack_scores(model, memoryview(data), count, 1.0)
                pixels = model.rebuild(scores)
            except self._errors.PayloadError as exc:
                self._check_line(exc)
            else:
                assert pixels.shape == model.shape
                assert pixels.dtype == model.dtype

    def _content(self, message: bytes) -> bytes:
        parts = self._take_apart(message)
        if parts is None or type(parts.head) is not dict:
            return message
        table = {str(name): _plain(value) for name, value in parts.head.items()}
        about = table.get("__metadata__")
        if type(about) is dict:
            if type(about.get("description")) is dict:
                about["description"] = json.dumps(about["description"])
            said, kind = about.get("description"), about.get("kind")
            if type(said) is str and type(kind) is str and type(about.get("sha256")) is str:
                about["sha256"] = self._digest(kind, said, table, parts.body)
        head = json.dumps(table).encode()
        return struct.pack("<Q", len(head)) + head + parts.body

    def _digest(self, kind: str, said: str, table: Mapping[str, Any], body: bytes) -> str:
        try:
            return str(self._file._digest(kind, said, table, body).hex())
        except (UnicodeEncodeError, TypeError):
            return "00" * 32  # no writer can have written it


def _plain(value: Any) -> Any:
    """Write a msgpack value as JSON; bytes are characters, lone surrogates among them."""
    if type(value) is bytes:
        return value.decode("utf-8", "surrogateescape")
    if type(value) is list:
        return [_plain(item) for item in value]
    if type(value) is dict:
        return {str(key): _plain(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    main(ModelTarget)
