"""Model files, ``.rkm``: named arrays and a description, in the safetensors format.

A file consists of a length, JSON and raw samples. It contains no code, so files from untrusted
origins can be opened. Only numpy is needed to read and write it, because codecs must work without
torch and safetensors. Every size is checked against the length of the file before anything is
allocated.

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
    """The header of a model file."""

    kind: str
    """Name of the codec that uses the model, with a suffix for its checkpoints."""
    model_id: bytes
    """First 16 bytes of the SHA-256 over kind, description and arrays."""
    description: Mapping[str, Any]
    """Architecture and other data of this kind of model, as plain JSON."""
    whole_bytes: int
    """File size implied by the header; a truncated file is smaller."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A complete model."""

    head: Head
    arrays: Mapping[str, NDArray[Any]]
    size_bytes: int
    """Size of the file in bytes."""


def write_model(
    path: Path, kind: str, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Write a model file atomically.

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
        If the file cannot be written.
    """
    table: dict[str, Any] = {}
    blocks: list[bytes] = []
    offset = 0
    # Widest samples first, so that every array is aligned, as the format requires.
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
    description_text = json.dumps(dict(description), sort_keys=True, allow_nan=False)
    data = b"".join(blocks)
    digest = _digest(kind, description_text, table, data)
    table["__metadata__"] = {
        "format": _FORMAT,
        "version": str(VERSION),
        "kind": kind,
        "description": description_text,
        "sha256": digest.hex(),
    }
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    write_whole(path, b"".join((_LENGTH.pack(len(head)), head, data)))
    model_id = digest[:MODEL_ID_BYTES]
    _remember(model_id, path)
    return model_id


def read_head(path: Path) -> Head:
    """Read the header of a model file.

    Raises
    ------
    ModelError
        If it is not a model file, or has another version.
    RankcastError
        If it cannot be read.
    """
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            start = file.read(_LENGTH.size)
            length = _head_length(path, start)
            return _parse_head(path, file.read(length), length)[0]
    except OSError as exc:
        raise ModelError(f"{path}: cannot be read: {os_reason(exc)}") from exc


def read_model(path: Path, kind: str) -> ModelFile:
    """Read a whole model of one kind.

    Raises
    ------
    ModelError
        If it is not a model of this kind and version, or is truncated or damaged.
    RankcastError
        If it cannot be read, or is larger than 1 GiB.
    """
    content = read_whole(path, MAX_FILE_BYTES)
    length = _head_length(path, content[: _LENGTH.size])
    data_start = _LENGTH.size + length
    head, table, description_text = _parse_head(path, content[_LENGTH.size : data_start], length)
    if head.kind != kind:
        raise ModelError(f"{path}: holds a model of kind {head.kind!r:.40}, want {kind!r}")
    data = memoryview(content)[data_start:]
    arrays: dict[str, NDArray[Any]] = {}
    offset = 0
    for name, entry in sorted(table.items(), key=lambda item: item[1][2]):
        dtype, shape, begin, end = entry
        size = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        # No gaps, no overlaps: every byte of the file belongs to exactly one array.
        if begin != offset or end - begin != size or end > len(data):
            raise ModelError(
                f"{path}: truncated or damaged: array {name!r:.40} of {size} bytes lies at "
                f"{begin}..{end} of {len(data)}"
            )
        # A copy, because arrays backed by the file's bytes would be read-only.
        arrays[name] = np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape).copy()
        offset = end
    if offset != len(data):
        raise ModelError(
            f"{path}: damaged: it holds {len(data)} bytes of arrays, its header lists {offset}"
        )
    plain = {
        name: {"dtype": entry[0], "shape": list(entry[1]), "data_offsets": [entry[2], entry[3]]}
        for name, entry in table.items()
    }
    if _digest(head.kind, description_text, plain, data)[:MODEL_ID_BYTES] != head.model_id:
        raise ModelError(f"{path}: damaged: its contents do not match its SHA-256")
    _remember(head.model_id, path)
    return ModelFile(head, arrays, len(content))


def known_file(model_id: bytes) -> Path | None:
    """Return the file that this process last read or wrote for a model, or None."""
    with _known_lock:
        return _known.get(model_id)


def _remember(model_id: bytes, path: Path) -> None:
    with _known_lock:
        _known[model_id] = path.absolute()
        _known.move_to_end(model_id)
        while len(_known) > _KNOWN_FILES:
            _known.popitem(last=False)


def _digest(
    kind: str, description_text: str, table: Mapping[str, Any], data: bytes | memoryview
) -> bytes:
    digest = hashlib.sha256()
    shapes = {name: table[name] for name in sorted(table) if name != "__metadata__"}
    for part in (kind, description_text, json.dumps(shapes, sort_keys=True)):
        digest.update(part.encode() + b"\0")
    digest.update(data)
    return digest.digest()


def _head_length(path: Path, start: bytes) -> int:
    if len(start) < _LENGTH.size:
        raise ModelError(f"{path}: not a model file: it has only {len(start)} bytes")
    length = int(_LENGTH.unpack(start)[0])
    if not 2 <= length <= MAX_HEAD_BYTES:
        raise ModelError(
            f"{path}: not a model file: its header would have {length} bytes, "
            f"the limit is {MAX_HEAD_BYTES}"
        )
    return length


_Entry = tuple[str, tuple[int, ...], int, int]


def _parse_head(path: Path, data: bytes, length: int) -> tuple[Head, dict[str, _Entry], str]:
    if len(data) != length:
        raise ModelError(f"{path}: truncated within its header")
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{path}: not a model file: its header is not JSON") from exc
    about = table.pop("__metadata__", None) if isinstance(table, dict) else None
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ModelError(f"{path}: not a model file of Rankcast")
    if about.get("version") != str(VERSION):
        raise ModelError(
            f"{path}: got model version {about.get('version')!r:.20}, want {VERSION}: "
            "retrain the model, or update Rankcast"
        )
    kind, description_text, digest = (about.get(key) for key in ("kind", "description", "sha256"))
    try:
        description = json.loads(description_text)  # type: ignore[arg-type]  # TypeError is caught
        model_id = bytes.fromhex(digest)[:MODEL_ID_BYTES]  # type: ignore[arg-type]
        f"{kind}{description_text}".encode()  # JSON may hold half a surrogate pair
    except (TypeError, ValueError, RecursionError):
        description, model_id = None, b""
    if (
        not isinstance(kind, str)
        or not isinstance(description_text, str)
        or not isinstance(description, dict)
        or len(model_id) != MODEL_ID_BYTES
    ):
        raise ModelError(f"{path}: its kind, description or SHA-256 is missing or invalid")
    if len(table) > MAX_TENSORS:
        raise ModelError(f"{path}: lists {len(table)} arrays, the limit is {MAX_TENSORS}")
    entries = {name: _entry(path, name, entry) for name, entry in table.items()}
    end = max((entry[3] for entry in entries.values()), default=0)
    return Head(kind, model_id, description, _LENGTH.size + length + end), entries, description_text


def _entry(path: Path, name: str, entry: object) -> _Entry:
    if isinstance(entry, dict):
        dtype = entry.get("dtype")
        shape = _lengths(entry.get("shape"), MAX_AXES)
        offsets = _lengths(entry.get("data_offsets"), 2)
        if (
            isinstance(dtype, str)
            and dtype in _DTYPES
            and shape is not None
            # Sides of 0 count as 1: numpy refuses shapes whose other sides overflow.
            and math.prod(max(1, side) for side in shape) <= MAX_FILE_BYTES
            and offsets is not None
            and len(offsets) == 2
        ):
            return dtype, shape, offsets[0], offsets[1]
    raise ModelError(f"{path}: array {name!r:.40} has an invalid dtype, shape or offset")


def _lengths(values: object, most: int) -> tuple[int, ...] | None:
    """Return `values` if it is a short list of valid sizes, else None."""
    if (
        not isinstance(values, list)
        or len(values) > most
        or any(type(value) is not int or not 0 <= value <= MAX_FILE_BYTES for value in values)
    ):
        return None
    return tuple(values)
