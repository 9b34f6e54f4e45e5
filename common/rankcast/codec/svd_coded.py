"""Factors of `svd` quantised in the cosine domain and entropy-coded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rankcast.errors import PayloadError
from rankcast.linalg import Factors

NOISE_SHARE: Final = 0.055
"""Squared error that quantising may add, as a share of truncation and rounding: 0.23 dB."""


def pack(planes: Sequence[Factors], budgets: Sequence[float]) -> list[tuple[bytes, float]]:
    out = []
    for f, budget in zip(planes, budgets, strict=True):
        m, n, k = f.u.shape[0], f.v.shape[0], f.rank
        if k == 0:
            out.append((struct.pack("<I", 0), 0.0))
            continue
        c = float(np.sqrt(12 * budget / ((m + n) * k)))
        s = f.s.astype("<f4").astype(np.float64)
        noise = 0.0
        parts = [struct.pack("<d", c), s.astype("<f4").tobytes()]
        for x in (f.u, f.v):
            y = x.T * (s / c)[:, None]
            q = np.rint(y).astype("<i4")
            noise += float(((y - q) ** 2).sum()) * c * c
            parts.append(q.tobytes())
        data = zlib.compress(b"".join(parts), 1)
        out.append((struct.pack("<I", len(data)) + data, noise))
    return out


def split(body: memoryview, count: int) -> list[memoryview]:
    views, at = [], 0
    for _ in range(count):
        if at + 4 > len(body):
            raise PayloadError("too short")
        (size,) = struct.unpack_from("<I", body, at)
        if at + 4 + size > len(body):
            raise PayloadError("too short")
        views.append(body[at : at + 4 + size])
        at += 4 + size
    if at != len(body):
        raise PayloadError("trailing bytes")
    return views


def unpack(
    views: Sequence[memoryview],
    shapes: Sequence[tuple[int, int]],
    ranks: Sequence[int],
    dtype: type[np.floating[Any]],
) -> list[Factors]:
    out = []
    for view, (m, n), k in zip(views, shapes, ranks, strict=True):
        want = 8 + 4 * k * (1 + m + n) if k else 0
        data = b""
        if k:
            try:
                data = zlib.decompressobj().decompress(view[4:], want + 1)
            except zlib.error as exc:
                raise PayloadError(f"{exc}") from exc
        if len(data) != want:
            raise PayloadError("length")
        if not k:
            out.append(Factors(np.zeros((m, 0), dtype), np.zeros(0), np.zeros((n, 0), dtype), 0.0))
            continue
        (c,) = struct.unpack_from("<d", data)
        s = np.frombuffer(data, "<f4", k, 8).astype(np.float64)
        q = np.frombuffer(data, "<i4", offset=8 + 4 * k)
        with np.errstate(all="ignore"):
            scale = (c / s)[:, None]
            u = (q[: k * m].reshape(k, m) * scale).astype(dtype).T
            v = (q[k * m :].reshape(k, n) * scale).astype(dtype).T
            out.append(Factors(u, s, v, float(np.sum(s * s))))
    return out
