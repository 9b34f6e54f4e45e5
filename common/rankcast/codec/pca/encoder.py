"""Encoder of the codec `pca`: channels to statistics and components, these to bytes."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from rankcast import pool
from rankcast.codec.pca import statistics
from rankcast.codec.pca.components import factors_of
from rankcast.codec.pca.decoder import assemble
from rankcast.codec.pca.frames import FrameModel, load_frame_model, pack_scores, unpack_scores
from rankcast.codec.pca.layout import (
    DEFAULT_PATCH,
    DEFAULT_VARIANCE,
    LAYOUTS,
    matrix_shape,
    to_matrix,
)
from rankcast.codec.pca.options import PcaOptions
from rankcast.codec.pca.statistics import Statistics, measure
from rankcast.codec.protocol import CodecEncoder, Coded
from rankcast.codec.svd import coded
from rankcast.codec.svd.bands import Band, BandedBody, join
from rankcast.codec.svd.decoder import arithmetic, check_work, unpack_planes
from rankcast.codec.svd.factoriser import Engine, Factoriser, Plane
from rankcast.codec.svd.ranks import ROUNDING_NOISE, EnergyShare, FixedRank, RankRule
from rankcast.codec.svd.samples import as_channels
from rankcast.errors import RankcastError, SettingsError, UnsupportedImageError
from rankcast.frame import Frame, Pixels
from rankcast.numerics import Factors, squared_error

COVARIANCE_SIDE: Final = 256
"""With so few variables the covariance is faster than any iteration, and exact."""


class PcaEncoder:
    """Finds the components of each channel; with the warm engine, from those of the last frame."""

    def __init__(self, options: PcaOptions) -> None:
        self.options = options
        self._factoriser = Factoriser(Engine.WARM)
        self._patch = (options.patch or DEFAULT_PATCH) if options.layout == "patches" else 0

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels = frame.pixels
        channels = as_channels(pixels)
        height, width, count = channels.shape
        m, n = matrix_shape(height, width, self._patch)
        rule = _rule(self.options, m, n)
        dtype = np.dtype(np.float32 if pixels.dtype.itemsize == 1 else np.float64)
        stats: list[Statistics] = []
        planes: list[Plane] = []
        for c in range(count):
            x = to_matrix(channels[:, :, c], self._patch)
            stats.append(measure(x, pixels.dtype))
            planes.append(_standardised(x, stats[-1], dtype))
        found = self._factorise(planes, rule)
        shapes = [(m, n)] * count
        check_work(
            shapes, [factors.rank for factors in found], arithmetic(pixels.dtype.itemsize, "coded")
        )
        budgets = [
            coded.NOISE_SHARE * (factors.dropped + _rounding_noise(stat, m))
            for factors, stat in zip(found, stats, strict=True)
        ]
        # Errors of standardised variables tell little about those of samples. The encoder measures
        # the whole picture, not each band, so it states nothing about bands.
        ranks = tuple(factors.rank for factors in found)
        packed = coded.pack(found, [[rank] for rank in ranks], budgets)
        bands = (Band(ranks),)
        part = b"".join(plane.parts[0] for plane in packed)
        in_bands = BandedBody(bands, (memoryview(part),))
        seen = unpack_planes(in_bands, shapes, "coded", pixels.dtype.itemsize)
        rebuilt = assemble(seen, stats, pixels.shape, pixels.dtype, self._patch)
        total = sum(factors.total for factors in found)
        kept = sum(min(factors.kept, factors.total) for factors in found)
        side = statistics.pack(stats)
        layout = LAYOUTS.index(self.options.layout)
        return Coded(
            len(side).to_bytes(4, "little") + side + join(bands, [part], is_cut=False),
            params=(layout, self._patch) if self._patch else (layout,),
            squared_error=squared_error(pixels, rebuilt),
            energy=kept / total if total else 1.0,
            rank=ranks,
        )

    def _factorise(self, planes: list[Plane], rule: RankRule) -> list[Factors]:
        n = planes[0].a.shape[1]
        if self.options.engine == "warm" and min(n, planes[0].a.shape[0]) > COVARIANCE_SIDE:
            return self._factoriser.factorise(planes, rule)

        def whole(plane: Plane) -> Factors:
            factors = factors_of(plane.a, plane.total)
            if isinstance(rule, EnergyShare):
                sums = np.cumsum(factors.s * factors.s)
                # The sum of all may fall a hair short of the total.
                wanted = min(rule.energy * plane.total, float(sums[-1]) if sums.size else 0.0)
                return factors.truncated(int(np.searchsorted(sums, wanted * (1 - 1e-12))) + 1)
            assert isinstance(rule, FixedRank)
            return factors.truncated(rule.first_rank(plane.least_side))

        return pool.run([partial(whole, plane) for plane in planes])


class FramePcaEncoder:
    """Projects whole pictures onto the components of a model file."""

    def __init__(self, options: PcaOptions) -> None:
        assert options.model is not None
        self.options = options
        try:
            self._model: FrameModel = load_frame_model(Path(options.model).expanduser())
        except SettingsError:
            raise
        except RankcastError as exc:  # a file that is not there is a wrong option
            raise SettingsError(f"codec pca, model: {exc}") from exc
        self._kept = self._model.kept(options.components, options.variance or DEFAULT_VARIANCE)
        self._scale = self._model.scale()
        samples = self._scale.size
        self._rounding = samples * ROUNDING_NOISE / self._model.mean_square_deviation
        """Squared error of rounding to samples, as an error in standardised variables."""

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels, model, k = frame.pixels, self._model, self._kept
        model.check_picture(pixels.shape, pixels.dtype)
        scores, whole = model.project(pixels, self._scale, k)
        energy = float(scores @ scores)
        left = max(whole - energy, 0.0)
        budget = coded.NOISE_SHARE * (left + self._rounding)
        step = math.sqrt(12 * budget / max(k, 1))
        body = pack_scores(model, scores, step)
        rebuilt = model.rebuild(unpack_scores(model, memoryview(body), k, step))
        total = energy + left
        return Coded(
            body,
            params=(LAYOUTS.index("frames"), step),
            squared_error=squared_error(pixels, rebuilt),
            energy=energy / total if total else 1.0,
            rank=(k,),
            model_id=model.model_id,
        )


def make_pca_encoder(options: PcaOptions) -> CodecEncoder:
    """Make the encoder of a layout.

    Raises
    ------
    ModelError
        If the model file of ``layout=frames`` cannot be used.
    """
    return FramePcaEncoder(options) if options.layout == "frames" else PcaEncoder(options)


def _rule(options: PcaOptions, m: int, n: int) -> RankRule:
    if options.components is None:
        return EnergyShare(options.variance or DEFAULT_VARIANCE)
    if options.components > min(m, n):
        raise UnsupportedImageError(
            f"got components {options.components}, want at most {min(m, n)}, the lesser of "
            f"{m} observations and {n} variables"
        )
    return FixedRank(options.components)


def _standardised(x: Pixels, stat: Statistics, dtype: np.dtype[Any]) -> Plane:
    scale = np.zeros(stat.deviation.shape)
    np.divide(1.0, stat.deviation, out=scale, where=stat.deviations > 0)
    a = np.ascontiguousarray(x, dtype) - stat.mean.astype(dtype)
    a *= scale.astype(dtype)
    return Plane(a, float(np.vdot(a, a)))


def _rounding_noise(stat: Statistics, m: int) -> float:
    """Squared error of rounding to samples, as an error in standardised variables."""
    varying = stat.deviation[stat.deviations > 0]
    if not varying.size:
        return 1.0
    return m * varying.size * ROUNDING_NOISE / float(np.mean(varying**2))
