"""Truncated singular value decomposition of planes: three engines, and subspace tracking.

Every engine returns U, s and V of A ~ U diag(s) V^T. BLAS runs on one thread;
the pool computes bands of fixed size instead, so that results do not depend on the thread count.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Real: TypeAlias = NDArray[np.floating[Any]]

OVERSAMPLING: Final = 8
"""Minimum number of columns beyond the rank; Halko et al. advise 5 to 10."""
OVERSAMPLING_SHARE: Final = 0.36
"""Minimum as a share of the rank: with 0.3, one pass of the warm engine lost up to 0.28 dB against
the exact truncation on video of moving hands, with 0.07 up to 0.5 dB."""
BAND: Final = 256
"""Rows or columns per product: enough for a BLAS kernel to run at full speed."""
EXACT_SHARE: Final = 0.4
"""Above this share of the shorter side, LAPACK on the whole matrix is faster."""
POWER_ITERATIONS: Final = 3
"""Power iterations for a subspace without prior knowledge of the picture; Halko et al. use 1 to
3."""
SCENE_CHANGE: Final = 2.0
"""Growth of the energy outside the subspace between two frames that makes the subspace stale."""
MOTION: Final = 2.0
"""Ratio of the energy outside the previous subspace to that outside the new one, below which the
subspace tracks the picture well: about 1.1 on slow clips, 4 on fast ones."""
LARGE_PLANE: Final = 640 * 480
LARGE_MOTION: Final = 7.0
"""The same for larger planes, where time is short: with 2, a belt that fills the picture took two
passes per frame, which gained 0.9 dB but lost every eighth frame of 1280 x 720 at 20 Hz on two
cores."""
WORTH: Final = 10**0.025
"""A second pass that lowers the error by less than 0.25 dB is not worth its time."""
PATIENCE: Final = 1.25
MOST_PATIENCE: Final = 8.0
PATIENCE_DECAY: Final = 0.99
"""After a useless pass, wait for faster motion, or retry after about twenty frames."""
_SEED: Final = 20111


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Truncated SVD of one plane A of shape (m, n)."""

    u: Real
    """(m, k), orthonormal columns."""
    s: NDArray[np.float64]
    """(k,), descending, positive."""
    v: Real
    """(n, k), orthonormal columns; the transpose of Vt in the literature."""
    total: float
    """Squared Frobenius norm of A: the sum of all its squared singular values."""

    @property
    def rank(self) -> int:
        """Number of singular values k."""
        return self.s.size

    @property
    def kept(self) -> float:
        """Sum of the k squared singular values."""
        return float(np.sum(self.s * self.s))

    @property
    def dropped(self) -> float:
        """Squared error of the truncation (Eckart and Young): the energy not kept."""
        return max(self.total - self.kept, 0.0)

    def truncated(self, k: int) -> Factors:
        """Return the leading `k` triplets."""
        return Factors(self.u[:, :k], self.s[:k], self.v[:, :k], self.total)


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # scans the loaded libraries, which takes milliseconds


_blas_lock = threading.Lock()
_blas_users = 0
_blas_limit: Any = None  # threadpoolctl is untyped


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to the calling thread within the block; may be nested and is thread-safe."""
    # The setting is global, so users are counted: only the last one to leave restores it, to its
    # value before the first one.
    global _blas_users, _blas_limit
    with _blas_lock:
        if _blas_users == 0:
            _blas_limit = _blas().limit(limits=1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                _blas_limit.restore_original_limits()


def bands(length: int) -> list[slice]:
    """Split 0..length into slices of about BAND, the same on every machine."""
    count = max(1, round(length / BAND))
    edges = [length * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _multiply(a: Real, b: Real, out: Real) -> None:
    np.matmul(a, b, out=out)


def row_products(a: Real, b: Real, out: Real) -> list[Callable[[], None]]:
    """Return tasks that write a @ b into `out`, one band of rows each."""
    return [partial(_multiply, a[band], b, out[band]) for band in bands(a.shape[0])]


def column_products(a: Real, b: Real, out: Real) -> list[Callable[[], None]]:
    """Return tasks that write a @ b into `out`, one band of columns each."""
    return [partial(_multiply, a, b[:, band], out[:, band]) for band in bands(b.shape[1])]


def orthonormal_basis(y: Real) -> Real:
    """Return an orthonormal basis of the columns of `y` without numerically dependent ones.

    Parameters
    ----------
    y : ndarray, shape (m, p), float32 or float64, p <= m

    Returns
    -------
    ndarray, shape (m, r), r <= p
        r is 0 if every column is zero.

    Notes
    -----
    Cholesky QR (Stathopoulos and Wu 2002) with the Gram matrix of the scaled columns in float64;
    a second pass where the columns are far from orthogonal (Yamamoto et al. 2015), an SVD where
    they are dependent.
    """
    q = y
    for _ in range(2):
        wide = q.astype(np.float64, copy=False)
        gram = wide.T @ wide
        norms = np.sqrt(np.diagonal(gram))
        if not norms.size or not norms.min() > 0:
            return _basis_by_svd(y)
        gram /= norms[:, None] * norms
        try:
            lower = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            return _basis_by_svd(y)
        least = float(np.diagonal(lower).min())
        # A pivot this small lies within the rounding of the columns themselves.
        if not least > 32 * np.finfo(y.dtype).eps:
            return _basis_by_svd(y)
        solve = np.linalg.inv(lower).T / norms[:, None]
        q = q @ solve.astype(y.dtype)
        # One pass loses eps / pivot of orthogonality; above 0.1 that is as good as Householder.
        if least > 0.1:
            break
    return q


def _basis_by_svd(y: Real) -> Real:
    u, s, _ = np.linalg.svd(y.astype(np.float64, copy=False), full_matrices=False)
    if not s.size or not s[0] > 0:
        return np.zeros((y.shape[0], 0), y.dtype)
    independent = s > s[0] * 32 * np.finfo(y.dtype).eps
    basis: Real = np.ascontiguousarray(u[:, independent], dtype=y.dtype)
    return basis


def exact_svd(a: Real, total: float) -> Factors:
    """Compute all singular triplets of `a` above rounding, by LAPACK (gesdd) in float64.

    Parameters
    ----------
    a : ndarray, shape (m, n)
    total : float
        Squared Frobenius norm of `a`.
    """
    u, s, vt = np.linalg.svd(a.astype(np.float64, copy=False), full_matrices=False)
    # The tolerance of numpy.linalg.matrix_rank.
    k = int(np.count_nonzero(s > s[0] * max(a.shape) * np.finfo(np.float64).eps)) if s[0] else 0
    return Factors(u[:, :k], s[:k], vt[:k].T, total)


def oversampled(rank: int) -> int:
    """Return the number of columns that a subspace for `rank` singular vectors needs."""
    return rank + max(OVERSAMPLING, round(OVERSAMPLING_SHARE * rank))


class Subspace:
    """Subspace iteration for the planes of one channel, started from the previous one.

    Y = A V, Q = orth(Y), B = Q^T A, then the eigenvalues of the small B B^T give U, s and V
    (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1). With V of the previous frame
    one pass tracks a moving picture; a V of random columns needs power iterations first.

    The work is split into phases, so that the products of all channels of a frame form one
    list of tasks: `project`, `orthogonalise`, `compress`, `solve`, `rotate`.

    Parameters
    ----------
    warm : bool
        Keep the right subspace for the next plane; otherwise start from seeded random columns.
    """

    def __init__(self, *, warm: bool) -> None:
        self._warm = warm
        self._v = np.zeros((0, 0), np.float32)  # (n, p): the subspace for the next plane
        self._known = 0  # leading columns of _v that come from a picture
        self._outside = 0.0  # energy outside the subspace at the last plane
        self._calm = self._patience = MOTION
        self._tried = False
        self._pace = self._error = 0.0  # of the extra pass
        self._rng = np.random.default_rng(_SEED)
        self._buffers: dict[str, Real] = {}

    def start(self, a: Real, total: float, width: int) -> None:
        """Begin plane `a` (m, n) of squared norm `total`; `width` is at most min(m, n)."""
        self._a, self._total = a, total
        n = a.shape[1]
        if not self._warm or self._v.shape[0] != n or self._v.dtype != a.dtype:
            self._rng = np.random.default_rng(_SEED)
            self._v = np.zeros((n, 0), a.dtype)
            self._known, self._outside = 0, 0.0
            self._calm = LARGE_MOTION if a.size > LARGE_PLANE else MOTION
            self._patience = self._calm
        self._tried = False
        self.widen(width)

    def widen(self, width: int) -> None:
        """Widen the subspace to `width` columns with random ones."""
        n, have = self._v.shape
        if have > width:
            self._v = self._v[:, :width]
        elif have < width:
            more = self._rng.standard_normal((n, width - have)).astype(self._v.dtype)
            # Scaled like an orthonormal column, so that no column outweighs the others.
            self._v = np.concatenate((self._v, more / np.sqrt(n).astype(more.dtype)), axis=1)
        self._known = min(self._known, width)

    @property
    def fresh(self) -> bool:
        """True while no column comes from a picture."""
        return self._known == 0

    @property
    def width(self) -> int:
        """Number of columns of the subspace."""
        return self._v.shape[1]

    def iterate(self, count: int) -> None:
        """Align the subspace with the picture by `count` power iterations."""
        for _ in range(count):
            q = orthonormal_basis(self._a @ self._v)
            v = orthonormal_basis(self._a.T @ q)
            if v.shape[1] == 0:
                return
            self._v = v

    def project(self) -> list[Callable[[], None]]:
        """Return the tasks that compute Y = A V."""
        self._y = self._buffer("y", (self._a.shape[0], self.width))
        return row_products(self._a, self._v, self._y)

    def orthogonalise(self) -> None:
        """Compute Q = orth(Y), stored transposed."""
        # V is orthonormal if all of it comes from a picture; Y then contains the part of this plane
        # that the previous subspace captures.
        whole = self._known == self.width
        self._before = self._total - float(np.vdot(self._y, self._y)) if whole else 0.0
        q = orthonormal_basis(self._y)
        self._qt = np.ascontiguousarray(q.T)

    def compress(self) -> list[Callable[[], None]]:
        """Return the tasks that compute B = Q^T A."""
        self._b = self._buffer("b", (self._qt.shape[0], self._a.shape[1]))
        return column_products(self._qt, self._a, self._b)

    def solve(self) -> None:
        """Solve B B^T for its eigenvalues, the squared singular values, and for the rotation."""
        wide = self._b.astype(np.float64, copy=False)
        values, vectors = np.linalg.eigh(wide @ wide.T)
        values, vectors = values[::-1], vectors[:, ::-1]
        eps = float(np.finfo(self._a.dtype).eps)
        floor = (2 * eps) ** 2 * float(values[0]) if values.size else 0.0
        k = int(np.count_nonzero(values > floor))
        self.s = np.sqrt(values[:k])
        self._w = vectors[:, :k]
        self.outside = max(self._total - float(np.sum(values[:k])), 0.0)

    def lag(self) -> int:
        """Return the number of power iterations that this plane needs after its first pass."""
        if self.fresh:
            return 0
        # Differences within the rounding error of the energies.
        noise = 64 * float(np.finfo(self._a.dtype).eps) * self._total
        if self.outside > SCENE_CHANGE * self._outside + noise:
            return POWER_ITERATIONS - 1
        if self._before <= self._patience * self.outside + noise:
            self._patience = max(self._calm, self._patience * PATIENCE_DECAY)
            return 0
        self._tried = True
        self._pace, self._error = self._before / max(self.outside, noise), self._beyond()
        return 1

    def learn(self) -> None:
        """Record after a second pass for motion whether it was worth its time."""
        if not self._tried:
            return  # the second pass was for a new scene
        self._tried = False
        worth = self._error >= WORTH * self._beyond()
        # A pace above MOST_PATIENCE is a new scene rather than motion: nothing to learn from it.
        if not worth and self._pace < MOST_PATIENCE:
            self._patience = min(PATIENCE * self._pace, MOST_PATIENCE)

    def _beyond(self) -> float:
        """Return the energy outside the leading columns, oversampling excluded."""
        rank = round(self.width / (1 + OVERSAMPLING_SHARE))
        return self.outside + float(np.sum(self.s[rank:] ** 2))

    def rotate(self, k: int) -> tuple[list[Callable[[], None]], Factors]:
        """Return the tasks that compute U = Q W and V = B^T W / s, and the factors they fill."""
        have = self.s.size
        dtype = self._a.dtype
        w = self._w.astype(dtype)
        over_s = np.ascontiguousarray((self._w / self.s).astype(dtype))
        # Vectors as rows, because the coder runs along them. New arrays, because V stays here as
        # the next subspace while U and V are passed on.
        ut = np.empty((min(k, have), self._a.shape[0]), dtype)
        vt = np.empty((have, self._a.shape[1]), dtype)
        tasks = column_products(np.ascontiguousarray(w[:, :k].T), self._qt, ut)
        tasks += column_products(np.ascontiguousarray(over_s.T), self._b, vt)
        self._v, self._known, self._outside = vt.T, have, self.outside
        return tasks, Factors(ut.T, self.s[:k], vt[:k].T, self._total)

    def _buffer(self, name: str, shape: tuple[int, int]) -> Real:
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape or buffer.dtype != self._a.dtype:
            buffer = self._buffers[name] = np.empty(shape, self._a.dtype)
        return buffer
