"""The product of the factors of `svd`: the matrix itself, or the samples that it rounds to.

Sums run in one order everywhere, see core/src/svd/product.c: with the same factors every machine
rebuilds the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from rankcast import pool
from rankcast.core import function
from rankcast.frame import Pixels
from rankcast.numerics import Factors, Real, bands

_UINT8: Final = np.dtype(np.uint8)
_UINT16: Final = np.dtype(np.uint16)
_FLOAT32: Final = np.dtype(np.float32)
_FLOAT64: Final = np.dtype(np.float64)
_PRODUCT: Final = {
    _FLOAT32: function("rk_svd_product_f32"),
    _FLOAT64: function("rk_svd_product_f64"),
}
_REBUILD: Final = {
    (_FLOAT32, _UINT8): function("rk_svd_rebuild_f32_u8"),
    (_FLOAT64, _UINT8): function("rk_svd_rebuild_f64_u8"),
    (_FLOAT64, _UINT16): function("rk_svd_rebuild_f64_u16"),
}


def rebuild(factors: Factors) -> Real:
    """Return the matrix sum_k s_k u_k vt_k, not rounded.

    Parameters
    ----------
    factors : Factors
        Of one plane; its dtype is that of the arithmetic.

    Returns
    -------
    ndarray, shape (m, n)
    """
    us, vt = _scaled(factors), np.ascontiguousarray(factors.v.T)
    (m, rank), n = us.shape, vt.shape[1]
    out = np.empty((m, n), us.dtype)
    product = _PRODUCT[us.dtype]
    pool.run(
        [
            partial(product, us[band], vt, band.stop - band.start, rank, n, out[band])
            for band in bands(m)
        ]
    )
    return out


def rebuild_tasks(planes: Sequence[Factors], pixels: Pixels) -> list[Callable[[], Any]]:
    """Return tasks that rebuild planes, round half to even and clip.

    Parameters
    ----------
    planes : sequence of Factors
        Of all channels, of one dtype.
    pixels : ndarray, shape (H, W, C), uint8 or uint16
        Written, one band of rows by each task.
    """
    height, width, channels = pixels.shape
    us = np.concatenate([_scaled(factors).reshape(-1) for factors in planes])
    vt = np.concatenate([factors.v.T.reshape(-1) for factors in planes])
    ranks = np.array([factors.rank for factors in planes], np.int64)
    task = _REBUILD[us.dtype, pixels.dtype]
    return [
        partial(task, us, vt, ranks, channels, height, width, band.start, band.stop, pixels)
        for band in bands(height)
    ]


def _scaled(factors: Factors) -> Real:
    """U diag(s), contiguous by rows."""
    return np.ascontiguousarray(factors.u * factors.s.astype(factors.u.dtype))
