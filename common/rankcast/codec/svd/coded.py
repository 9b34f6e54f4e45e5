"""Coded factors of `svd`: quantised in the cosine domain, contexts, rANS, in bands.

U diag(s) and V diag(s) are quantised with one step per plane: an error in a column of U is
multiplied by s when the plane is rebuilt, so this spreads the error evenly (reverse
water-filling) and takes fewer bits at equal error than one step on U sqrt(s) and V sqrt(s).
Before, every column goes through an orthonormal cosine transform in blocks, because singular
vectors of pictures are smooth.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd.bands import BandedBody, BandReader, PackedPlane
from rankcast.codec.svd.contexts import BLOCK, DEAD_ZONE, quantise, sample
from rankcast.codec.svd.matrix import CodedMatrix, pack_values, take_tables, unpack_values
from rankcast.core import function
from rankcast.errors import PayloadError
from rankcast.numerics import Factors, Real, one_blas_thread

NOISE_SHARE: Final = 0.055
"""Squared error that quantising may add, as a share of truncation and rounding: 0.23 dB."""

_STEP: Final = struct.Struct("<d")
_LENGTHS: Final = struct.Struct("<II")  # of the words of U and of V
# A dead zone of 0.42 leaves errors of -0.42..0.58 steps: (0.42^3 + 0.58^3) / 3.
_NOISE_OF_STEP: Final = 0.0897
_SAMPLES: Final = 1 << 16
_SAMPLE_STRIDE: Final = 15  # shares no factor with BLOCK, so that all frequencies are met
_TRANSFORM_BACK: Final = {
    np.dtype(np.float32): function("rk_svd_inverse_transform_f32"),
    np.dtype(np.float64): function("rk_svd_inverse_transform_f64"),
}


@lru_cache(maxsize=2 * BLOCK)
def _cosines(size: int, dtype: str) -> Real:
    """Orthonormal DCT-II matrix (size, size): rows are cosines."""
    k, x = np.arange(size)[:, None], np.arange(size)[None, :]
    matrix = np.sqrt(2 / size) * np.cos(np.pi * (2 * x + 1) * k / (2 * size))
    matrix[0] /= np.sqrt(2)
    out: Real = matrix.astype(dtype)
    out.flags.writeable = False
    return out


def _transform(x: Real, out: Real) -> None:
    """Cosine transform of the rows of `x` (K, L) in blocks, the last one shorter.

    A decoder turns it back in one order of summation, see core/src/svd/transform.c; here BLAS may
    choose, because what it rounds otherwise only changes which coefficients are coded.
    """
    columns, length = x.shape
    whole = length // BLOCK * BLOCK
    item = x.itemsize
    for first, last, size in ((0, whole, BLOCK), (whole, length, length - whole)):
        if first == last:
            continue
        cosines = _cosines(size, x.dtype.name)
        shape, strides = (columns, (last - first) // size, size), (length * item, size * item, item)
        blocks, result = (
            np.lib.stride_tricks.as_strided(matrix[:, first:], shape, strides)
            for matrix in (x, out)
        )
        np.matmul(blocks, cosines.T, out=result)


def _transposed(x: Real) -> Real:
    """Columns of `x` (L, K) transformed, as (K, L)."""
    rows = np.ascontiguousarray(x.T)
    out = np.empty_like(rows)
    _transform(rows, out)
    return out


def step_for(samples: NDArray[np.float32], share: float, budget: float) -> float:
    """Step whose quantising noise is `budget`.

    Parameters
    ----------
    samples : ndarray, shape (N,)
        Magnitudes before quantising.
    share : float
        How many values each of them stands for.
    budget : float
        Squared error.
    """
    ordered = np.sort(samples)
    below = np.concatenate(([0.0], np.cumsum(np.square(ordered, dtype=np.float64))))
    # Between all coarse (nothing survives) and the step at which nothing falls to zero.
    high = max(2 * float(ordered[-1]), 1e-30)
    low = min(high, float(np.sqrt(12 * budget / (share * ordered.size)))) / 4
    for _ in range(30):
        step = float(np.sqrt(low * high))
        zeros = int(np.searchsorted(ordered, (1 - DEAD_ZONE) * step))
        noise = share * (below[zeros] + (ordered.size - zeros) * _NOISE_OF_STEP * step * step)
        if noise > budget:
            high = step
        else:
            low = step
    return low


def pack(
    planes: Sequence[Factors], ends: Sequence[Sequence[int]], budgets: Sequence[float]
) -> list[PackedPlane]:
    """Code the factors of every plane.

    Parameters
    ----------
    planes : sequence of Factors
    ends : sequence of sequence of int
        Of each plane its ranks at the end of each band, rising to its own.
    budgets : sequence of float
        Squared error that quantising may add to each plane.
    """
    kept = [index for index, factors in enumerate(planes) if factors.rank]
    matrices = [(index, side) for index in kept for side in (planes[index].u, planes[index].v)]
    with one_blas_thread():
        rows = pool.run([partial(_transposed, side) for _, side in matrices])
    # The decoder multiplies by the singular values that it gets: float32.
    singular = {index: planes[index].s.astype("<f4") for index in kept}
    steps = dict(
        zip(
            kept,
            pool.run(
                [
                    partial(_step, rows[2 * i], rows[2 * i + 1], singular[index], budgets[index])
                    for i, index in enumerate(kept)
                ]
            ),
            strict=True,
        )
    )
    coded = pool.run(
        [
            partial(
                _pack_matrix, row, singular[index].astype(np.float64) / steps[index], ends[index]
            )
            for row, (index, _) in zip(rows, matrices, strict=True)
        ]
    )
    out = [PackedPlane((b"",) * len(bands), (0.0,) * len(bands)) for bands in ends]
    for i, index in enumerate(kept):
        (u, u_noise), (v, v_noise) = coded[2 * i : 2 * i + 2]
        front = _STEP.pack(steps[index]) + bytes(u.tables) + bytes(v.tables)
        noise = steps[index] ** 2 * (u_noise + v_noise)
        parts = _parts_of(front, singular[index], u, v, ends[index])
        out[index] = PackedPlane(parts, tuple(noise.tolist()))
    return out


def _parts_of(
    front: bytes, s: NDArray[np.float32], u: CodedMatrix, v: CodedMatrix, ends: Sequence[int]
) -> tuple[bytes, ...]:
    """Share of each band in a plane; bands that add no columns have none."""
    parts = []
    for band, (first, last) in enumerate(itertools.pairwise((0, *ends))):
        words = u.words[band], v.words[band]
        lengths = _LENGTHS.pack(*map(len, words))
        added = b"".join((s[first:last].tobytes(), lengths, *words)) if first < last else b""
        parts.append(added if band else front + added)
    return tuple(parts)


def _step(u: Real, v: Real, s: NDArray[np.float32], budget: float) -> float:
    stride = _SAMPLE_STRIDE if u.size + v.size > _SAMPLES else 1
    samples = np.concatenate([sample(side, s, stride) for side in (u, v)])
    return step_for(samples, (u.size + v.size) / samples.size, budget)


def _pack_matrix(
    y: Real, scales: NDArray[np.float64], ends: Sequence[int]
) -> tuple[CodedMatrix, NDArray[np.float64]]:
    """Code one transformed matrix (K, L); returns its noise in squared steps up to each band."""
    bands = [quantise(y[i:j], scales[i:j]) for i, j in itertools.pairwise((0, *ends))]
    values = np.concatenate([values for values, _ in bands])
    return pack_values(values, ends), np.cumsum([noise for _, noise in bands])


def unpack(
    body: BandedBody, shapes: Sequence[tuple[int, int]], dtype: type[np.floating[Any]]
) -> list[Factors]:
    """Factors of the planes in `dtype`.

    Raises
    ------
    PayloadError
        If the bands do not hold factors of the promised shapes.
    """
    readers = [BandReader(part) for part in body.parts]
    heads = [_take_plane(readers, body.ranks_of(plane)) for plane in range(len(shapes))]
    for reader in readers:
        reader.finish()
    tasks = [
        partial(_unpack_matrix, matrix, head, body.ranks_of(plane), length, dtype, body.is_cut)
        for plane, (head, shape) in enumerate(zip(heads, shapes, strict=True))
        if head is not None
        for matrix, length in zip(head.matrices, shape, strict=True)
    ]
    rows = iter(pool.run(tasks))
    planes = []
    for head, (m, n) in zip(heads, shapes, strict=True):
        if head is None:
            planes.append(Factors(np.zeros((m, 0), dtype), np.zeros(0), np.zeros((n, 0), dtype), 0))
        else:
            total = float(np.sum(head.s * head.s))
            planes.append(Factors(next(rows).T, head.s, next(rows).T, total))
    return planes


@dataclass(frozen=True, slots=True, eq=False)
class _CodedPlane:
    """A plane as it lies in the bands."""

    s: NDArray[np.float64]
    scales: NDArray[np.float64]
    """Steps of the columns of U and V."""
    matrices: tuple[CodedMatrix, CodedMatrix]
    """U and V."""


def _take_plane(readers: Sequence[BandReader], ends: Sequence[int]) -> _CodedPlane | None:
    """Read a plane from its bands; None for rank 0, which has no bytes."""
    if not ends[-1]:
        return None
    (step,) = _STEP.unpack(readers[0].take(_STEP.size))
    tables = take_tables(readers[0]), take_tables(readers[0])
    parts: list[memoryview] = []
    words: list[tuple[memoryview, memoryview]] = []
    for reader, (first, last) in zip(readers, itertools.pairwise((0, *ends)), strict=True):
        if first == last:
            words.append((memoryview(b""), memoryview(b"")))
            continue
        parts.append(reader.take(4 * (last - first)))
        u_bytes, v_bytes = _LENGTHS.unpack(reader.take(_LENGTHS.size))
        words.append((reader.take(u_bytes), reader.take(v_bytes)))
    with np.errstate(invalid="ignore"):  # a signalling NaN is refused below, and no reason to warn
        s = np.frombuffer(b"".join(parts), "<f4").astype(np.float64)
    largest = float(np.finfo(np.float32).max)
    if not (0 < step <= largest and s.min() > 0 and s.max() <= largest):
        raise PayloadError(
            f"got step {step:.3g} and singular values {s.min():.3g} to {s.max():.3g}, "
            "want finite numbers above 0"
        )
    u, v = (CodedMatrix(tables[side], [band[side] for band in words]) for side in (0, 1))
    return _CodedPlane(s, step / s, (u, v))


def _unpack_matrix(
    matrix: CodedMatrix,
    plane: _CodedPlane,
    ends: Sequence[int],
    length: int,
    dtype: type[np.floating[Any]],
    is_cut: bool,
) -> Real:
    """Decode one matrix (K, L) and turn its cosine coefficients back."""
    x = np.empty((ends[-1], length), dtype)
    values = unpack_values(matrix, ends, length, is_cut=is_cut)
    _TRANSFORM_BACK[x.dtype](values, plane.scales, *x.shape, x)
    return x
