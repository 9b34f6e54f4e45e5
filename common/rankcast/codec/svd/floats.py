"""Factors of `svd` as plain floats: in each band s, U by columns, V by columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rankcast.codec.svd.bands import BandedBody, BandReader, PackedPlane
from rankcast.numerics import Factors

# Type of s and type of U and V; float16 ends at 65504, far below the largest singular value.
_TYPES: Final = {"float16": ("<f4", "<f2"), "float32": ("<f4", "<f4"), "float64": ("<f8", "<f8")}


def pack(planes: Sequence[Factors], ends: Sequence[Sequence[int]], form: str) -> list[PackedPlane]:
    """Bytes of every plane; `ends` are its ranks at the end of each band."""
    of_s, of_vectors = (np.dtype(name) for name in _TYPES[form])
    # U and V rounded to nearest: relative errors uniform over one unit of the last place, which
    # is eps / 2 to eps of a number; its mean square is eps^2 / 24 of the squared number.
    share = 2 * float(np.finfo(of_vectors).eps) ** 2 / 24
    return [
        PackedPlane(
            tuple(
                factors.s[i:j].astype(of_s).tobytes()
                + np.ascontiguousarray(factors.u.T[i:j], of_vectors).tobytes()
                + np.ascontiguousarray(factors.v.T[i:j], of_vectors).tobytes()
                for i, j in itertools.pairwise((0, *bands))
            ),
            tuple(share * factors.truncated(j).kept for j in bands),
        )
        for factors, bands in zip(planes, ends, strict=True)
    ]


def unpack(
    body: BandedBody,
    shapes: Sequence[tuple[int, int]],
    form: str,
    dtype: type[np.floating[Any]],
) -> list[Factors]:
    """Factors of the planes in `dtype`.

    Raises
    ------
    PayloadError
        If a band is longer or shorter than its ranks promise.
    """
    of_s, of_vectors = (np.dtype(name) for name in _TYPES[form])
    readers = [BandReader(part) for part in body.parts]
    planes = []
    for plane, (m, n) in enumerate(shapes):
        ends = body.ranks_of(plane)
        s, u, v = np.empty(ends[-1]), np.empty((ends[-1], m), dtype), np.empty((ends[-1], n), dtype)
        for reader, (i, j) in zip(readers, itertools.pairwise((0, *ends)), strict=True):
            # The caller checks the bounds; signalling NaNs and infinities are no reason to warn.
            with np.errstate(over="ignore", invalid="ignore"):
                s[i:j] = np.frombuffer(reader.take((j - i) * of_s.itemsize), of_s)
                for side, length in ((u, m), (v, n)):
                    taken = reader.take((j - i) * length * of_vectors.itemsize)
                    side[i:j] = np.frombuffer(taken, of_vectors).reshape(j - i, length)
        with np.errstate(over="ignore", invalid="ignore"):
            energy = float(np.sum(s * s))
        planes.append(Factors(u.T, s, v.T, energy))
    for reader in readers:
        reader.finish()
    return planes
