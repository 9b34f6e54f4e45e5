"""Model files, ``.rkm``: named arrays and a description, in the safetensors format.

The format is a length, JSON and raw samples: nothing in it is code, so that a file from anywhere
can be opened. Read and written here with numpy alone, because a codec must be able to look at one
where neither torch nor safetensors is installed, and because every size is checked against the
length of the file before anything is allocated.

References
----------
safetensors, https://github.com/huggingface/safetensors (format section).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.atomic_file import open_without_waiting, os_reason, read_whole, write_whole
from rankcast.errors import ModelError
from rankcast.printable import printable

SUFFIX: Final = ".rkm"
VERSION: Final = 1
MODEL_ID_BYTES: Final = 16
MAX_FILE_BYTES: Final = 1 << 30
MAX_HEAD_BYTES: Final = 1 << 20
MAX_TENSORS: Final = 4096
MAX_AXES: Final = 8
_FORMAT: Final = "rankcast-model"
_LENGTH: Final = struct.Struct("<Q")
_DTYPES: Final[Mapping[str, str]] = {
    "U8": "<u1", "I8": "<i1", "U16": "<u2", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_NAMES: Final = {np.dtype(code): name for name, code in _DTYPES.items()}
_KNOWN_FILES: Final = 64

_known: OrderedDict[bytes, Path] = OrderedDict()
_known_lock = Lock()


@dataclass(frozen=True, slots=True)
class Head:
    """What a model file says of itself before its arrays."""

    kind: str
    """What the model is for: the name of a codec, with a suffix for its checkpoints."""
    model_id: bytes
    """First 16 bytes of the SHA-256 over kind, description and arrays."""
    description: Mapping[str, Any]
    """Architecture and whatever else the kind keeps: plain JSON."""
    whole_bytes: int
    """Of the file, unless it is truncated or has grown."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A whole model."""

    head: Head
    arrays: Mapping[str, NDArray[Any]]
    size_bytes: int
    """Of the file."""


def write_model(
    path: Path, kind: str, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : Path
    kind : str
    description : mapping
        Plain JSON: no NaN, no infinity.
    arrays : mapping of str to ndarray
        Integers or floats.

    Returns
    -------
    bytes
        The model id.

    Raises
    ------
    RankcastError
        If the disk or the folder does not take it.
    """
    table: dict[str, Any] = {}
    blocks: list[bytes] = []
    offset = 0
    # Widest samples first: then every array lies aligned, as the format asks for.
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        array = np.asarray(arrays[name], order="C")
        block = array.astype(array.dtype.newbyteorder("<")).tobytes()
        table[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(block)],
        }
        blocks.append(block)
        offset += len(block)
    said = json.dumps(dict(description), sort_keys=True, allow_nan=False)
    data = b"".join(blocks)
    digest = _digest(kind, said, table, data)
    table["__metadata__"] = {
        "format": _FORMAT,
        "version": str(VERSION),
        "kind": kind,
        "description": said,
        "sha256": digest.hex(),
    }
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    write_whole(path, b"".join((_LENGTH.pack(len(head)), head, data)))
    model_id = digest[:MODEL_ID_BYTES]
    _remember(model_id, path)
    return model_id


def read_head(path: Path) -> Head:
    """Read what a model file says of itself, without its arrays.

    Raises
    ------
    ModelError
        If it is no model file, or of another version.
    RankcastError
        If it cannot be read.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            start = file.read(_LENGTH.size)
            length = _head_length(path, start)
            return _parse_head(path, file.read(length), length)[0]
    except OSError as exc:
        raise ModelError(f"{printable(path)}: cannot be read: {os_reason(exc)}") from exc


def read_model(path: Path, kind: str) -> ModelFile:
    """Read a whole model of one kind.

    Raises
    ------
    ModelError
        If it is no such model, of another version, truncated or damaged.
    RankcastError
        If it cannot be read, or is larger than 1 GiB.
    """
    content = read_whole(path, MAX_FILE_BYTES)
    length = _head_length(path, content[: _LENGTH.size])
    data_start = _LENGTH.size + length
    head, table, said = _parse_head(path, content[_LENGTH.size : data_start], length)
    if head.kind != kind:
        raise ModelError(f"{printable(path)}: is a model of kind {head.kind!r:.40}, want {kind!r}")
    data = memoryview(content)[data_start:]
    arrays: dict[str, NDArray[Any]] = {}
    offset = 0
    for name, entry in sorted(table.items(), key=lambda item: item[1][2]):
        dtype, shape, begin, end = entry
        size = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        # Without holes and overlaps no byte of the file can mean two things.
        if begin != offset or end - begin != size or end > len(data):
            raise ModelError(
                f"{printable(path)}: array {name!r:.40} lies at {begin}..{end} and needs {size} "
                f"bytes; the file holds {len(data)}: it is truncated or damaged"
            )
        # A copy: what is read from the file's own bytes could never be written.
        arrays[name] = np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape).copy()
        offset = end
    if offset != len(data):
        raise ModelError(
            f"{printable(path)}: holds {len(data)} bytes of arrays, its table names {offset}"
        )
    plain = {
        name: {"dtype": entry[0], "shape": list(entry[1]), "data_offsets": [entry[2], entry[3]]}
        for name, entry in table.items()
    }
    if _digest(head.kind, said, plain, data)[:MODEL_ID_BYTES] != head.model_id:
        raise ModelError(f"{printable(path)}: its SHA-256 is not the one it states: it is damaged")
    _remember(head.model_id, path)
    return ModelFile(head, arrays, len(content))


def known_file(model_id: bytes) -> Path | None:
    """File that this process has read or written a model from, or None."""
    with _known_lock:
        return _known.get(model_id)


def _remember(model_id: bytes, path: Path) -> None:
    with _known_lock:
        _known[model_id] = path.absolute()
        _known.move_to_end(model_id)
        while len(_known) > _KNOWN_FILES:
            _known.popitem(last=False)


def _digest(kind: str, said: str, table: Mapping[str, Any], data: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    shapes = {name: table[name] for name in sorted(table) if name != "__metadata__"}
    for part in (kind, said, json.dumps(shapes, sort_keys=True)):
        digest.update(part.encode() + b"\0")
    digest.update(data)
    return digest.digest()


def _head_length(path: Path, start: bytes) -> int:
    if len(start) < _LENGTH.size:
        raise ModelError(f"{printable(path)}: has {len(start)} bytes: it is no model file")
    length = int(_LENGTH.unpack(start)[0])
    if not 2 <= length <= MAX_HEAD_BYTES:
        raise ModelError(
            f"{printable(path)}: is no model file: its head would have {length} bytes, "
            f"the limit is {MAX_HEAD_BYTES}"
        )
    return length


_Entry = tuple[str, tuple[int, ...], int, int]


def _parse_head(path: Path, data: bytes, length: int) -> tuple[Head, dict[str, _Entry], str]:
    if len(data) != length:
        raise ModelError(f"{printable(path)}: is truncated within its head")
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{printable(path)}: is no model file: its head is no JSON") from exc
    about = table.pop("__metadata__", None) if isinstance(table, dict) else None
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ModelError(f"{printable(path)}: is no model file of Rankcast")
    if about.get("version") != str(VERSION):
        raise ModelError(
            f"{printable(path)}: is a model of version {about.get('version')!r:.20}, this is "
            f"version {VERSION}: train it again, or update Rankcast"
        )
    kind, said, digest = (about.get(key) for key in ("kind", "description", "sha256"))
    try:
        description = json.loads(said)  # type: ignore[arg-type]  # TypeError is caught
        model_id = bytes.fromhex(digest)[:MODEL_ID_BYTES]  # type: ignore[arg-type]
        f"{kind}{said}".encode()  # JSON can hold half a surrogate pair, which is no character
    except (TypeError, ValueError, RecursionError):
        description, model_id = None, b""
    if (
        not isinstance(kind, str)
        or not isinstance(said, str)
        or not isinstance(description, dict)
        or len(model_id) != MODEL_ID_BYTES
    ):
        raise ModelError(f"{printable(path)}: its kind, description or SHA-256 is missing")
    if len(table) > MAX_TENSORS:
        raise ModelError(
            f"{printable(path)}: names {len(table)} arrays, the limit is {MAX_TENSORS}"
        )
    entries = {name: _entry(path, name, entry) for name, entry in table.items()}
    end = max((entry[3] for entry in entries.values()), default=0)
    return Head(kind, model_id, description, _LENGTH.size + length + end), entries, said


def _entry(path: Path, name: str, entry: object) -> _Entry:
    if isinstance(entry, dict):
        dtype = entry.get("dtype")
        shape = _lengths(entry.get("shape"), MAX_AXES)
        offsets = _lengths(entry.get("data_offsets"), 2)
        if (
            isinstance(dtype, str)
            and dtype in _DTYPES
            and shape is not None
            # With a side of 0, too: numpy takes no shape whose other sides overflow.
            and math.prod(max(1, side) for side in shape) <= MAX_FILE_BYTES
            and offsets is not None
            and len(offsets) == 2
        ):
            return dtype, shape, offsets[0], offsets[1]
    raise ModelError(f"{printable(path)}: dtype, shape or place of array {name!r:.40} is wrong")


def _lengths(values: object, most: int) -> tuple[int, ...] | None:
    """Return a short list of whole numbers that a file can hold, else None."""
    if (
        not isinstance(values, list)
        or len(values) > most
        or any(type(value) is not int or not 0 <= value <= MAX_FILE_BYTES for value in values)
    ):
        return None
    return tuple(values)
