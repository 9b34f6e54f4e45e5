"""Encoder of the codec `svd`: planes to factors, factors to bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from rankcast.codec.protocol import Coded
from rankcast.codec.svd import coded, floats
from rankcast.codec.svd.bands import Band, BandedBody, PackedPlane, join, ranks_by_band
from rankcast.codec.svd.decoder import (
    COLOURS,
    FACTORS,
    arithmetic,
    assemble,
    check_work,
    plane_shapes,
    unpack_planes,
)
from rankcast.codec.svd.factoriser import Engine, Factoriser, Plane
from rankcast.codec.svd.options import DEFAULT_RANK, SvdOptions
from rankcast.codec.svd.product import rebuild
from rankcast.codec.svd.ranks import ROUNDING_NOISE, EnergyShare, ErrorBudget, FixedRank, RankRule
from rankcast.codec.svd.samples import as_channels, farthest, load_plane, squared_distance
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame, Pixels, channels_of, full_scale
from rankcast.numerics import Factors, Real, merge_ycc420, split_ycc420
from rankcast.wire import PPB

EXACT_MARGIN: Final = 0.25
"""A rebuilt sample this near to its integer rounds to it also with another BLAS."""
EXACT_CANDIDATE: Final = 0.01
"""Squared error per sample of truncation below which a plane may be exact after rounding."""
MAX_REFINEMENTS: Final = 6
"""Steps halved at most so often: a step of 1/64 leaves no error that rounding sees."""
Source: TypeAlias = tuple[Pixels, int]
"""Picture (H, W, C) and channel."""
# Squared error in B, G and R for a unit in Y, Cb and Cr (BT.601; a chroma sample serves four
# pixels): limited range for 8 bits, full range for 16, as in `rankcast.numerics.planes`.
_YCC_WEIGHTS: Final = {
    1: (3 * 1.164**2, 4 * (2.018**2 + 0.391**2), 4 * (1.596**2 + 0.813**2)),
    2: (3.0, 4 * (1.772**2 + 0.344**2), 4 * (1.402**2 + 0.714**2)),
}


class SvdEncoder:
    """Factorises the planes of each frame; with the warm engine, from where the last one ended."""

    def __init__(self, options: SvdOptions) -> None:
        self.options = options
        self._factoriser = Factoriser(Engine(options.engine))
        self._buffers: list[Real] = []

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels, options = frame.pixels, self.options
        sources, subsampling = _split(pixels, options.colour)
        rule = self._rule(pixels, subsampling)
        weights = _weights(pixels, options.colour)
        planes = self._load(sources, weights, pixels.dtype.itemsize)
        found = self._factoriser.factorise(planes, rule)
        check_work(
            plane_shapes(pixels.shape, options.colour),
            [f.rank for f in found],
            arithmetic(pixels.dtype.itemsize, options.factors),
        )
        ranks = ranks_by_band([factors.rank for factors in found])
        packed, errors = self._pack(sources, planes, found, ranks)
        parts = [b"".join(plane.parts[b] for plane in packed) for b in range(len(ranks))]
        if options.colour == "bgr" or not any(errors[-1]):
            error = subsampling + sum(errors[-1])
        else:
            # The errors of luma and chroma overlap, so that no sum of estimates is true.
            body = BandedBody(tuple(map(Band, ranks)), tuple(map(memoryview, parts)))
            shapes = plane_shapes(pixels.shape, options.colour)
            seen = unpack_planes(body, shapes, options.factors, pixels.dtype.itemsize)
            rebuilt = assemble(seen, pixels.shape, pixels.dtype, options.colour)
            error = max(1, squared_distance(as_channels(pixels), as_channels(rebuilt)))
        bands = [
            Band(
                rank,
                _stated(error + _weighted_rise(weights, errors[-1], of_planes)),
                round(_energy(found, rank) * PPB),
            )
            for rank, of_planes in zip(ranks, errors, strict=True)
        ]
        return Coded(
            join(bands, parts, is_cut=False),
            params=(FACTORS.index(options.factors), COLOURS.index(options.colour)),
            squared_error=bands[-1].squared_error,
            energy=_energy(found, ranks[-1]),
            rank=ranks[-1],
        )

    def _rule(self, pixels: Pixels, subsampling: int) -> RankRule:
        options = self.options
        if options.energy is not None:
            return EnergyShare(options.energy)
        if options.psnr is None:
            rule = FixedRank(DEFAULT_RANK if options.rank is None else options.rank)
            rule.check(*pixels.shape[:2])
            return rule
        allowed = full_scale(pixels.dtype) ** 2 * pixels.size / 10 ** (options.psnr / 10)
        if subsampling >= allowed:
            reachable = 10 * np.log10(full_scale(pixels.dtype) ** 2 * pixels.size / subsampling)
            raise UnsupportedImageError(
                f"got psnr {options.psnr} dB, want at most {reachable:.2f} dB, to which half-size "
                "chroma limits this picture: use less, or colour=bgr"
            )
        share = coded.NOISE_SHARE if options.factors == "coded" else 0.0
        rounding = ROUNDING_NOISE * sum(
            weight * height * width
            for weight, (height, width) in zip(
                _weights(pixels, options.colour),
                plane_shapes(pixels.shape, options.colour),
                strict=True,
            )
        )
        return ErrorBudget((allowed - subsampling) / (1 + share) - rounding)

    def _load(
        self, sources: Sequence[Source], weights: Sequence[float], sample_bytes: int
    ) -> list[Plane]:
        narrow = sample_bytes == 1 and self.options.engine != "exact"
        dtype = np.dtype(np.float32 if narrow else np.float64)
        wanted = [(picture.shape[:2], dtype) for picture, _ in sources]
        if [(buffer.shape, buffer.dtype) for buffer in self._buffers] != wanted:
            self._buffers = [np.empty(shape, dtype) for shape, dtype in wanted]
        return [
            Plane(buffer, float(load_plane(picture, channel, buffer)), weight)
            for buffer, (picture, channel), weight in zip(
                self._buffers, sources, weights, strict=True
            )
        ]

    def _pack(
        self,
        sources: Sequence[Source],
        planes: Sequence[Plane],
        found: Sequence[Factors],
        ranks: Sequence[Sequence[int]],
    ) -> tuple[list[PackedPlane], list[list[float]]]:
        """Planes in bytes, and for each band their squared errors: estimates, or 0 where proven."""
        form = self.options.factors
        ends = list(zip(*ranks, strict=True))
        if form == "coded":
            budgets = [
                coded.NOISE_SHARE * (factors.dropped + ROUNDING_NOISE * plane.a.size)
                for factors, plane in zip(found, planes, strict=True)
            ]
            packed = coded.pack(found, ends, budgets)
        else:
            packed = floats.pack(found, ends, form)
        errors = []
        for index, (plane, factors) in enumerate(zip(planes, found, strict=True)):
            exact = False
            if factors.dropped < EXACT_CANDIDATE * plane.a.size:
                packed[index], exact = self._prove(
                    sources[index], factors, ends[index], packed[index]
                )
            rounding = ROUNDING_NOISE * plane.a.size
            errors.append(
                [
                    0.0
                    if exact and rank == factors.rank
                    else factors.truncated(rank).dropped + noise + rounding
                    for rank, noise in zip(ends[index], packed[index].noise, strict=True)
                ]
            )
        return packed, [list(of_planes) for of_planes in zip(*errors, strict=True)]

    def _prove(
        self, source: Source, factors: Factors, ends: Sequence[int], packed: PackedPlane
    ) -> tuple[PackedPlane, bool]:
        """Rebuild a plane that may be exact; refine a coded one until it is."""
        picture, channel = source
        shape, form = (picture.shape[0], picture.shape[1]), self.options.factors
        noise = 0.5 * coded.NOISE_SHARE * ROUNDING_NOISE * shape[0] * shape[1]
        bands = tuple(Band((rank,)) for rank in ends)
        for _ in range(MAX_REFINEMENTS):
            body = BandedBody(bands, tuple(map(memoryview, packed.parts)))
            seen = unpack_planes(body, [shape], form, picture.dtype.itemsize)
            if farthest(picture, channel, rebuild(seen[0])) <= EXACT_MARGIN:
                return packed, True
            if form != "coded":
                break
            (packed,) = coded.pack([factors], [ends], [noise])
            noise /= 4
        return packed, False


def _stated(error: float) -> int:
    """Squared error as a header has it: 0 is a promise, any estimate above it is at least 1."""
    return max(1, round(error)) if error > 0 else 0


def _energy(found: Sequence[Factors], ranks: Sequence[int]) -> float:
    """Share of the sum of squared singular values that planes of these ranks keep."""
    total = sum(factors.total for factors in found)
    kept = sum(
        min(factors.truncated(rank).kept, factors.total)
        for factors, rank in zip(found, ranks, strict=True)
    )
    return kept / total if total else 1.0


def _weighted_rise(
    weights: Sequence[float], whole: Sequence[float], band: Sequence[float]
) -> float:
    """Squared error that the picture gains where its planes end with a band."""
    return sum(
        weight * (after - before)
        for weight, before, after in zip(weights, whole, band, strict=True)
    )


def _weights(pixels: Pixels, colour: str) -> tuple[float, ...]:
    """Squared error in the picture for a unit of squared error in each plane."""
    if colour == "ycc420":
        return _YCC_WEIGHTS[pixels.dtype.itemsize]
    return (1.0,) * channels_of(pixels.shape)


def _split(pixels: Pixels, colour: str) -> tuple[list[Source], int]:
    """Channels to factorise, and the squared error of going through them without any SVD."""
    if colour == "bgr":
        picture = as_channels(pixels)
        return [(picture, channel) for channel in range(picture.shape[2])], 0
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedImageError(
            f"got shape {pixels.shape}, want three channels with colour=ycc420: use colour=bgr"
        )
    planes = split_ycc420(pixels)
    error = squared_distance(as_channels(pixels), as_channels(merge_ycc420(planes)))
    return [(as_channels(plane), 0) for plane in planes], error
