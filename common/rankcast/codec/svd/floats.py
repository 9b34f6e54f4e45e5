"""Factors of `svd` as plain floats: s, U by columns, V by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rankcast.errors import PayloadError
from rankcast.numerics import Factors

# Type of s and type of U and V; float16 ends at 65504, far below the largest singular value.
_TYPES: Final = {"float16": ("<f4", "<f2"), "float32": ("<f4", "<f4"), "float64": ("<f8", "<f8")}


def pack(planes: Sequence[Factors], form: str) -> list[tuple[bytes, float]]:
    """Bytes of every plane, and the squared error that the rounding of U and V adds to it."""
    of_s, of_vectors = (np.dtype(name) for name in _TYPES[form])
    # U and V rounded to nearest: relative errors uniform over one unit of the last place, which
    # is eps / 2 to eps of a number; its mean square is eps^2 / 24 of the squared number.
    share = 2 * float(np.finfo(of_vectors).eps) ** 2 / 24
    return [
        (
            factors.s.astype(of_s).tobytes()
            + np.ascontiguousarray(factors.u.T, of_vectors).tobytes()
            + np.ascontiguousarray(factors.v.T, of_vectors).tobytes(),
            share * factors.kept,
        )
        for factors in planes
    ]


def split(
    body: memoryview, shapes: Sequence[tuple[int, int]], ranks: Sequence[int], form: str
) -> list[memoryview]:
    """Cut a body into its planes.

    Raises
    ------
    PayloadError
        If it is longer or shorter than the ranks promise.
    """
    of_s, of_vectors = (np.dtype(name).itemsize for name in _TYPES[form])
    sizes = [k * (of_s + (m + n) * of_vectors) for (m, n), k in zip(shapes, ranks, strict=True)]
    if len(body) != sum(sizes):
        raise PayloadError(f"got {len(body)} bytes of factors, the ranks promise {sum(sizes)}")
    views, start = [], 0
    for size in sizes:
        views.append(body[start : start + size])
        start += size
    return views


def unpack(
    views: Sequence[memoryview],
    shapes: Sequence[tuple[int, int]],
    ranks: Sequence[int],
    form: str,
    dtype: type[np.floating[Any]],
) -> list[Factors]:
    """Factors of the planes in `dtype`; `views` have the lengths that `split` gives them."""
    of_s, of_vectors = (np.dtype(name) for name in _TYPES[form])
    planes = []
    for view, (m, n), k in zip(views, shapes, ranks, strict=True):
        vectors = np.frombuffer(view, of_vectors, offset=k * of_s.itemsize)
        # The caller checks the bounds; signalling NaNs and infinities are no reason to warn.
        with np.errstate(over="ignore", invalid="ignore"):
            s = np.frombuffer(view, of_s, k).astype(np.float64)
            u = vectors[: k * m].reshape(k, m).astype(dtype).T
            v = vectors[k * m :].reshape(k, n).astype(dtype).T
            planes.append(Factors(u, s, v, float(np.sum(s * s))))
    return planes
