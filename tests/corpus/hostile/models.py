"""Model files that are none, that lie about their arrays, or ask for what nobody can hold."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import numpy as np

from corpus.hostile.messages import CORPUS, Files

_ONES = np.ones(6, np.float32).tobytes()
_BODY = _ONES + _ONES + _ONES[:4] + _ONES


def _array(shape: list[Any], begin: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _digest(kind: str, said: str, table: dict[str, Any], body: bytes) -> str:
    """The SHA-256 of docs/wire.md, in other words than those of the writer."""
    arrays = json.dumps(table, sort_keys=True)
    data = b"".join(part.encode("utf-8", "surrogatepass") + b"\0" for part in (kind, said, arrays))
    return hashlib.sha256(data + body).hexdigest()


def _file(said: Any, table: dict[str, Any], body: bytes, kind: Any = "pca", **about: Any) -> bytes:
    """A file whose SHA-256 is right."""
    text = said if isinstance(said, str) else json.dumps(said)
    known = {"format": "rankcast-model", "version": "1", "kind": kind, "description": text,
             "sha256": _digest(str(kind), text, table, body)}  # fmt: skip
    return _framed(json.dumps(table | {"__metadata__": known | about}).encode(), body)


def _framed(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(head)) + head + body


def models() -> Files:
    """Heads, tables, descriptions and arrays."""
    right = (CORPUS / "models" / "pca.rkm").read_bytes()
    for size in (0, 1, 7, 8, 9, 100, len(right) - 1):
        yield f"model/cut_{size}.rkm", right[:size]
    yield "model/longer.rkm", right + b"\0"
    flipped = bytearray(right)
    flipped[-9] ^= 1
    yield "model/flipped.rkm", bytes(flipped)
    for label, head in {
        "empty": b"", "no_json": b"{", "array": b"[]", "nan": b"NaN", "no_utf8": b"\xff\xfe",
        "nested": b'{"a":' * 12_000, "nested_arrays": b"[" * 50_000, "number": b"1" * 6000,
        "metadata_text": b'{"__metadata__":"x"}', "metadata_none": b"{}",
    }.items():  # fmt: skip
        yield f"model/head_{label}.rkm", _framed(head)
    yield "model/head_2_63.rkm", struct.pack("<Q", 1 << 63) + right[8:]
    yield "model/head_2_20.rkm", struct.pack("<Q", 1 << 20) + right[8:]

    arrays = {"mean": _array([6], 0, 24), "deviation": _array([6], 24, 48),
              "variances": _array([1], 48, 52), "components": _array([1, 6], 52, 76)}  # fmt: skip
    said: dict[str, Any] = {"shape": [2, 3], "dtype": "uint8", "total_variance": 1.0}
    for label, about in {
        "version": {"version": "2"}, "version_none": {"version": None}, "kind": {"kind": 5},
        "format": {"format": "pt"}, "sha256_short": {"sha256": "00"}, "sha256_none": {"sha256": 1},
        "sha256": {"sha256": "00" * 32}, "description_map": {"description": {}},
        "kind_surrogate": {"kind": "\ud800"},
    }.items():  # fmt: skip
        yield f"model/about_{label}.rkm", _file(said, arrays, _BODY, **about)
    for label, text in {
        "surrogate": '{"a":"\ud800"}', "array": "[]", "nested": "[" * 5000 + "]" * 5000,
        "nan_total": '{"shape":[2,3],"dtype":"uint8","total_variance":NaN}', "none": "null",
    }.items():  # fmt: skip
        yield f"model/description_{label}.rkm", _file(text, arrays, _BODY)
    for label, change in {
        "shape_none": {"shape": None}, "shape_0": {"shape": [0, 3]}, "shape_text": {"shape": "ab"},
        "shape_huge": {"shape": [2**40, 2**40]}, "shape_other": {"shape": [3, 3]},
        "shape_4": {"shape": [1, 2, 3, 1]}, "shape_true": {"shape": [True, 6]},
        "shape_65_channels": {"shape": [1, 1, 65]}, "dtype": {"dtype": "object"},
        "dtype_list": {"dtype": ["uint8"]}, "total_text": {"total_variance": "1"},
        "total_small": {"total_variance": 0.5}, "total_10_400": {"total_variance": 10**400},
        "total_inf": {"total_variance": float("inf")},
    }.items():  # fmt: skip
        yield f"model/pca_{label}.rkm", _file(said | change, arrays, _BODY)
    zeros = {"big_and_empty": [2**30] * 7 + [0], "nine_axes": [1] * 9, "minus": [-6],
             "float": [6.0], "true": [True], "2_31": [2**31], "area": [2**20, 2**20]}  # fmt: skip
    for label, shape in zeros.items():
        yield f"model/axes_{label}.rkm", _file(said, arrays | {"x": _array(shape, 76, 76)}, _BODY)
    places: dict[str, Any] = {"hole": (80, 104), "overlap": (48, 72), "behind": (76, 100),
                              "back": (76, 52), "text": ("76", "100"),
                              "huge": (0, 2**62)}  # fmt: skip
    for label, (begin, end) in places.items():
        changed = arrays | {"x": _array([6], begin, end)}
        yield f"model/place_{label}.rkm", _file(said, changed, _BODY)
    for dtype in ("BOOL", "BF16", "F8", "O", "", 5, None, ["F32"]):
        label = f"model/array_dtype_{dtype if isinstance(dtype, str) else type(dtype).__name__}.rkm"
        yield label, _file(said, arrays | {"mean": _array([6], 0, 24, dtype)}, _BODY)
    for value, label in ((float("nan"), "nan"), (float("inf"), "inf"), (-1.0, "minus")):
        number = struct.pack("<f", value)
        yield f"model/deviation_{label}.rkm", _file(said, arrays, _BODY[:24] + number + _BODY[28:])
        yield f"model/variance_{label}.rkm", _file(said, arrays, _BODY[:48] + number + _BODY[52:])
    network = {"network": 1, "labels": ["cam"], "sizes": [[0, 0]], "luma": 6, "chroma": 2,
               "width": 4}  # fmt: skip
    for label, change in {
        "version": {"network": 2}, "labels_none": {"labels": None}, "labels_0": {"labels": []},
        "labels_65": {"labels": [str(k) for k in range(65)]}, "labels_same": {
            "labels": ["a", "a"], "sizes": [[0, 0]] * 2},
        "label_long": {"labels": ["x" * 65]}, "label_number": {"labels": [1]},
        "sizes": {"sizes": [[8192, 8193]]}, "sizes_one": {"sizes": [[0]]},
        "sizes_half": {"sizes": [[0, 8]]}, "sizes_true": {"sizes": [[True, True]]},
        "luma_65": {"luma": 65}, "luma_0": {"luma": 0}, "luma_true": {"luma": True},
        "chroma_text": {"chroma": "2"}, "width_257": {"width": 257}, "width_big": {"width": 2**70},
    }.items():  # fmt: skip
        yield f"model/gan_{label}.rkm", _file(network | change, {}, b"", "gan")
    yield (
        "model/600_arrays.rkm",
        _file(said, {f"{k:x}": _array([0], 0, 0, "U8") for k in range(600)} | arrays, _BODY),
    )
