"""Principal components: standardise, covariance, eigenvectors by decreasing eigenvalue.

References
----------
Pearson (1901): On lines and planes of closest fit, Philosophical Magazine 2, 559-572.
Hotelling (1933): Analysis of a complex of statistical variables, J. Educational Psychology 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankcast.numerics import Factors, Real, one_blas_thread

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """What a PCA finds."""

    mean: Matrix
    """(n,), of each variable."""
    deviation: Matrix
    """(n,), standard deviation of each variable over m; 0 where it is constant."""
    variances: Matrix
    """(k,), eigenvalues of the covariance of the standardised variables, decreasing."""
    vectors: Matrix
    """(k, n), orthonormal rows."""

    @property
    def shares(self) -> Matrix:
        """Share of the total variance of each component, (k,)."""
        total = float(self.variances.sum())
        return self.variances / total if total else self.variances


def standardise(x: Real) -> tuple[Matrix, Matrix, Matrix]:
    """Subtract the mean of each column and divide by its standard deviation.

    Parameters
    ----------
    x : ndarray, shape (m, n)

    Returns
    -------
    z, mean, deviation : ndarray
        (m, n), (n,) and (n,). The deviation is that of the population, over m. A constant
        column has deviation 0 and is 0 in `z`.
    """
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    z = x - mean
    deviation = np.sqrt(np.mean(z * z, axis=0))
    # The rounding of the mean is no deviation.
    deviation[deviation <= 1e-12 * np.maximum(np.abs(mean), 1.0)] = 0.0
    return _divided(z, deviation), mean, deviation


def principal_components(x: Real) -> Components:
    """Find all components of the standardised columns of `x`.

    Parameters
    ----------
    x : ndarray, shape (m, n)
        m observations of n variables.

    Returns
    -------
    Components
        As many as there are variances above rounding: at most min(m - 1, n).
    """
    z, mean, deviation = standardise(x)
    factors = factors_of(z, float(np.sum(z * z)))
    m = x.shape[0]
    variances = factors.s**2 / max(m - 1, 1)
    return Components(mean, deviation, variances, np.ascontiguousarray(factors.v.T))


def factors_of(z: Real, total: float) -> Factors:
    """U, s and V of `z` from the eigenvectors of the smaller of Z^T Z and Z Z^T.

    Parameters
    ----------
    z : ndarray, shape (m, n)
    total : float
        Its squared Frobenius norm.

    Returns
    -------
    Factors
        All with singular values above the rounding of their squares.
    """
    a = z.astype(np.float64)
    m, n = a.shape
    tall = m >= n
    with one_blas_thread():
        squares, vectors = np.linalg.eigh(a.T @ a if tall else a @ a.T)
        squares, vectors = squares[::-1], vectors[:, ::-1]
        floor = max(m, n) * np.finfo(np.float64).eps * max(float(squares[0]), 0.0)
        k = int(np.count_nonzero(squares > floor))
        s, own = np.sqrt(squares[:k]), vectors[:, :k]
        other = (a @ own if tall else a.T @ own) / s
    u, v = (other, own) if tall else (own, other)
    return Factors(u.astype(z.dtype), s, v.astype(z.dtype), total)


def components_for(variances: Matrix, share: float) -> int:
    """Return the least number of components whose variances hold `share` of the sum."""
    total = float(variances.sum())
    if total <= 0:
        return 0
    # A share of 1 must not ask for more than there are, whatever the rounding of the sum.
    return min(
        int(np.searchsorted(np.cumsum(variances), share * total * (1 - 1e-12))) + 1, variances.size
    )


def _divided(z: Real, deviation: Matrix) -> Matrix:
    out = np.zeros(z.shape)
    np.divide(z, deviation, out=out, where=deviation > 0)
    return out
