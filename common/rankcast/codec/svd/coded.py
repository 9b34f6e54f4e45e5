"""Coded factors of `svd`: quantised in the cosine domain, contexts, rANS.

U diag(s) and V diag(s) are quantised with one step per plane: an error in a column of U is
multiplied by s when the plane is rebuilt, so this spreads the error evenly (reverse
water-filling) and takes fewer bits at equal error than one step on U sqrt(s) and V sqrt(s).
Before, every column goes through an orthonormal cosine transform in blocks, because singular
vectors of pictures are smooth.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd.contexts import BLOCK, DEAD_ZONE, classify, decode, quantise, sample
from rankcast.core import function
from rankcast.entropy import rans
from rankcast.errors import PayloadError
from rankcast.numerics import Factors, Real, one_blas_thread

NOISE_SHARE: Final = 0.055
"""Squared error that quantising may add, as a share of truncation and rounding: 0.23 dB."""

_LENGTH: Final = struct.Struct("<I")
_STEP: Final = struct.Struct("<d")
_MATRIX: Final = struct.Struct("<QII")  # classes in use, two states
_CLASS: Final = struct.Struct("<HBBB")
# A dead zone of 0.42 leaves errors of -0.42..0.58 steps: (0.42^3 + 0.58^3) / 3.
_NOISE_OF_STEP: Final = 0.0897
_SAMPLES: Final = 1 << 16
_SAMPLE_STRIDE: Final = 15  # shares no factor with BLOCK, so that all frequencies are met
_EMPTY_LENGTH: Final = _LENGTH.pack(0)
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


def pack(planes: Sequence[Factors], budgets: Sequence[float]) -> list[tuple[bytes, float]]:
    """Code the factors of every plane.

    Parameters
    ----------
    planes : sequence of Factors
    budgets : sequence of float
        Squared error that quantising may add to each plane.

    Returns
    -------
    list of (bytes, float)
        Body of each plane with its length before it, and the squared error that it adds.
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
            partial(_pack_matrix, row, singular[index].astype(np.float64) / steps[index])
            for row, (index, _) in zip(rows, matrices, strict=True)
        ]
    )
    out = [(_EMPTY_LENGTH, 0.0)] * len(planes)
    for i, index in enumerate(kept):
        (u, u_noise), (v, v_noise) = coded[2 * i : 2 * i + 2]
        body = _STEP.pack(steps[index]) + singular[index].tobytes() + _LENGTH.pack(len(u)) + u + v
        noise = (u_noise + v_noise) * steps[index] ** 2
        out[index] = (_LENGTH.pack(len(body)) + body, noise)
    return out


def _step(u: Real, v: Real, s: NDArray[np.float32], budget: float) -> float:
    stride = _SAMPLE_STRIDE if u.size + v.size > _SAMPLES else 1
    samples = np.concatenate([sample(side, s, stride) for side in (u, v)])
    return step_for(samples, (u.size + v.size) / samples.size, budget)


def _pack_matrix(y: Real, scales: NDArray[np.float64]) -> tuple[bytes, float]:
    """Code one transformed matrix (K, L); returns its noise in squared steps."""
    values, noise = quantise(y, scales)
    return pack_values(values), noise


def pack_values(values: NDArray[np.int32]) -> bytes:
    """Code a matrix (K, L) of magnitudes at most `rankcast.entropy.rans.MAX_VALUE`."""
    classes = classify(values)
    shifts = np.zeros(rans.CLASSES, np.int64)
    counts = rans.count(values, classes, shifts)
    shifts = rans.choose_shifts(counts)
    if shifts.any():
        counts = rans.count(values, classes, shifts)
    parameters = rans.fit(counts, shifts)
    used = (counts[:, :3].sum(axis=1) > 0).astype(np.uint8)
    words, states = rans.encode(values, classes, parameters, rans.frequencies(parameters, used))
    in_use = np.flatnonzero(used)
    mask = sum(1 << int(c) for c in in_use)
    tables = b"".join(_CLASS.pack(*(int(p) for p in parameters[c])) for c in in_use)
    return _MATRIX.pack(mask, *states) + tables + words.astype("<u2", copy=False).tobytes()


def split(body: memoryview, count: int) -> list[memoryview]:
    """Cut a body into `count` planes, each with its length before it.

    Raises
    ------
    PayloadError
        If the lengths do not add up to the body.
    """
    views, at = [], 0
    for _ in range(count):
        size = _LENGTH.unpack_from(body, at)[0] if at + _LENGTH.size <= len(body) else len(body)
        end = at + _LENGTH.size + size
        if end > len(body):
            raise PayloadError(f"got {len(body)} bytes, the lengths inside promise {end} or more")
        views.append(body[at:end])
        at = end
    if at != len(body):
        raise PayloadError(f"got {len(body)} bytes, the lengths inside promise {at}")
    return views


def unpack(
    views: Sequence[memoryview],
    shapes: Sequence[tuple[int, int]],
    ranks: Sequence[int],
    dtype: type[np.floating[Any]],
) -> list[Factors]:
    """Factors of the planes in `dtype`; `views` as `split` cut them.

    Raises
    ------
    PayloadError
        If a view does not hold factors of the promised shape.
    """
    heads = [_head(view, k) for view, k in zip(views, ranks, strict=True)]
    tasks = [
        partial(_unpack_matrix, view, (k, length), scales, dtype)
        for (_, matrices), shape, k in zip(heads, shapes, ranks, strict=True)
        for (view, scales), length in zip(matrices, shape, strict=False)  # none for rank 0
    ]
    rows = iter(pool.run(tasks))
    planes = []
    for (s, matrices), (m, n) in zip(heads, shapes, strict=True):
        if matrices:
            u, v = next(rows).T, next(rows).T
        else:
            u, v = np.zeros((m, 0), dtype), np.zeros((n, 0), dtype)
        planes.append(Factors(u, s, v, float(np.sum(s * s))))
    return planes


def _head(
    view: memoryview, k: int
) -> tuple[NDArray[np.float64], list[tuple[memoryview, NDArray[np.float64]]]]:
    """Singular values, and bytes and steps of U and of V; no matrices for rank 0."""
    body = view[_LENGTH.size :]
    if k == 0:
        if len(body):
            raise PayloadError(f"got {len(body)} bytes of factors for rank 0")
        return np.zeros(0), []
    at = _STEP.size + 4 * k + _LENGTH.size
    if len(body) < at:
        raise PayloadError(f"got {len(body)} bytes of factors, rank {k} promises at least {at}")
    (step,) = _STEP.unpack_from(body)
    with np.errstate(invalid="ignore"):  # a signalling NaN is refused below, and no reason to warn
        s = np.frombuffer(body, "<f4", k, _STEP.size).astype(np.float64)
    largest = float(np.finfo(np.float32).max)
    if not (0 < step <= largest and s.min() > 0 and s.max() <= largest):
        raise PayloadError(
            f"got step {step:.3g} and singular values {s.min():.3g} to {s.max():.3g}, "
            "want finite numbers above 0"
        )
    (size,) = _LENGTH.unpack_from(body, at - _LENGTH.size)
    if at + size > len(body):
        raise PayloadError(f"got {len(body) - at} bytes of vectors, U alone promises {size}")
    scales = step / s
    return s, [(body[at : at + size], scales), (body[at + size :], scales)]


def _unpack_matrix(
    view: memoryview,
    shape: tuple[int, int],
    scales: NDArray[np.float64],
    dtype: type[np.floating[Any]],
) -> Real:
    """Decode one matrix (K, L) and turn its cosine coefficients back."""
    x = np.empty(shape, dtype)
    _TRANSFORM_BACK[x.dtype](unpack_values(view, shape), scales, *shape, x)
    return x


def unpack_values(view: memoryview, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Decode a matrix (K, L) of `pack_values`.

    Raises
    ------
    PayloadError
        If the bytes are not exactly one such matrix.
    """
    if len(view) < _MATRIX.size:
        raise PayloadError(f"got {len(view)} bytes of a matrix, want at least {_MATRIX.size}")
    mask, first, second = _MATRIX.unpack_from(view)
    at = _MATRIX.size
    used = np.zeros(rans.CLASSES, np.uint8)
    parameters = np.zeros((rans.CLASSES, rans.PARAMETERS), np.int64)
    for c in range(rans.CLASSES):
        if mask >> c & 1:
            if at + _CLASS.size > len(view):
                raise PayloadError(f"got {len(view)} bytes of a matrix, its tables take more")
            used[c] = 1
            parameters[c] = _CLASS.unpack_from(view, at)
            at += _CLASS.size
    table = rans.frequencies(parameters, used)
    if max(first, second) >= rans.STATE_LIMIT or (len(view) - at) % 2:
        raise PayloadError("got a state above its limit or half a word of coded values")
    data = np.frombuffer(view, np.uint8)
    return decode(data, at, (first, second), rans.decoder_tables(parameters, table), shape)
