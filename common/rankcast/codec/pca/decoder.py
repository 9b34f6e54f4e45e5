"""Decoder of the codec `pca`: statistics and components to pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rankcast import pool
from rankcast.codec.pca import statistics
from rankcast.codec.pca.frames import FrameModel, find_frame_model, unpack_scores
from rankcast.codec.pca.layout import LAYOUTS, MAX_PATCH, from_matrix, matrix_shape
from rankcast.codec.pca.statistics import Statistics
from rankcast.codec.svd.bands import band_of, split
from rankcast.codec.svd.decoder import arithmetic, check_bounds, check_work, unpack_planes
from rankcast.codec.svd.samples import store_plane
from rankcast.errors import LimitError, PayloadError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.models import ModelFolder
from rankcast.numerics import Factors, one_blas_thread, row_products
from rankcast.wire import Header, Limits

STANDARDISED_PEAK: Final = 2
"""The root mean square of a standardised variable is at most that, with rounded statistics."""


class PcaDecoder:
    """Multiplies scores by components, then undoes the standardising."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._models = ModelFolder()
        self._model: FrameModel | None = None

    def use_models(self, models: ModelFolder) -> None:
        """See UsesModels."""
        self._models = models

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        shape = header.shape or ()
        params = header.params
        layout = params[0] if params else None
        if layout == LAYOUTS.index("rows") and len(params) == 1:
            return self._decode_channels(header, body, 0)
        if layout == LAYOUTS.index("patches") and len(params) == 2:
            patch = params[1]
            if type(patch) is int and 2 <= patch <= MAX_PATCH:
                return self._decode_channels(header, body, patch)
        if layout == LAYOUTS.index("frames") and len(params) == 2 and len(header.rank) == 1:
            step = float(params[1])
            # Written so that NaN fails it.
            if 0 < step < math.inf:
                model = self._model = find_frame_model(header.model_id, self._models, self._model)
                model.check_packet(shape, header.dtype, header.rank[0])
                return model.rebuild(unpack_scores(model, body, header.rank[0], step))
        raise PayloadError(f"got pca parameters {params!r:.60} with {len(header.rank)} ranks")

    def _decode_channels(self, header: Header, body: memoryview, patch: int) -> Pixels:
        shape, ranks = header.shape or (), list(header.rank)
        count = channels_of(shape)
        # Patches of the edge stand for samples beyond the picture.
        m, n = matrix_shape(shape[0], shape[1], patch)
        if m * n * count > 2 * self.limits.max_samples:
            raise LimitError(
                f"got {m * n * count} samples in patches, "
                f"the limit is {2 * self.limits.max_samples}"
            )
        if len(ranks) != count or any(rank > min(m, n) for rank in ranks):
            raise PayloadError(f"got ranks {ranks!r:.60}, want {count} of at most {min(m, n)}")
        try:
            check_work([(m, n)] * count, ranks, arithmetic(header.dtype_bytes, "coded"))
        except UnsupportedImageError as exc:
            raise LimitError(str(exc)) from None
        size = int.from_bytes(body[:4], "little")
        if len(body) < 4 or size > len(body) - 4:
            raise PayloadError(f"got {len(body)} bytes, the statistics alone promise {size}")
        stats = statistics.unpack(body[4 : 4 + size], [n] * count, header.dtype)
        factors_in_body = split(body[4 + size :], band_of(header))
        if len(factors_in_body.bands) > 1 or factors_in_body.is_cut:
            raise PayloadError(
                f"got {len(factors_in_body.bands)} bands of components, want one that is whole"
            )
        planes = unpack_planes(factors_in_body, [(m, n)] * count, "coded", header.dtype_bytes)
        for factors in planes:
            check_bounds(factors, STANDARDISED_PEAK)
        return assemble(planes, stats, shape, header.dtype, patch)


def assemble(
    planes: Sequence[Factors],
    stats: Sequence[Statistics],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    patch: int,
) -> Pixels:
    """Rebuild, round and clip the channels and put them together."""
    pixels: Pixels = np.empty((*shape[:2], channels_of(shape)), dtype)
    for channel, (factors, stat) in enumerate(zip(planes, stats, strict=True)):
        kind = factors.u.dtype
        us = np.ascontiguousarray(factors.u * factors.s.astype(kind))
        # The deviations go into the few components, not into every sample.
        vectors = np.ascontiguousarray((factors.v * stat.deviation.astype(kind)[:, None]).T)
        out = np.empty((us.shape[0], vectors.shape[1]), kind)
        with one_blas_thread():
            pool.run(row_products(us, vectors, out))
        out += stat.mean.astype(kind)
        store_plane(from_matrix(out, shape[0], shape[1], patch), pixels, channel)
    return pixels.reshape(shape)
