"""Codec `svd`: truncated SVD of every whole channel; publishes U, s and Vt.

The formula, its sources and what each option does stand in docs/methods.md, the bytes in
docs/wire.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from pydantic import field_validator, model_validator

from rankcast import pool
from rankcast.codec import svd_coded, svd_floats
from rankcast.codec.factoriser import Engine, Factoriser, Plane
from rankcast.codec.protocol import Codec, CodecOptions, Coded
from rankcast.codec.ranks import ROUNDING_NOISE, EnergyShare, ErrorBudget, FixedRank, RankRule
from rankcast.codec.svd_planes import (
    as_channels,
    farthest,
    load_plane,
    squared_distance,
    store_plane,
)
from rankcast.errors import LimitError, PayloadError, UnsupportedImageError
from rankcast.frame import Frame, Pixels, channels_of, full_scale
from rankcast.linalg import Factors, Real, one_blas_thread, row_products
from rankcast.planes import chroma_shape, merge_ycc420, split_ycc420
from rankcast.wire import Header, Limits

FACTORS: Final = ("coded", "float16", "float32", "float64")
COLOURS: Final = ("bgr", "ycc420")
DEFAULT_RANK: Final = 0.1
MAX_PRODUCTS: Final = 2**38
"""Multiplications m n k of one picture: seconds of work, far above any that a camera needs."""
EXACT_MARGIN: Final = 0.25
"""A rebuilt sample this near to its integer rounds to it also with another BLAS."""
EXACT_CANDIDATE: Final = 0.01
"""Squared error per sample of truncation below which a plane may be exact after rounding."""
MAX_REFINEMENTS: Final = 6
"""Steps halved at most so often: a step of 1/64 leaves no error that rounding sees."""
MAX_ENTRY: Final = 4.0
"""Entries of orthonormal columns are at most 1, quantised at most 2."""
Source: TypeAlias = tuple[Pixels, int]
"""Picture (H, W, C) and channel."""
# Squared error in B, G and R for a unit in Y, Cb and Cr (BT.601; a chroma sample serves four
# pixels): limited range for 8 bits, full range for 16, as in `rankcast.planes`.
_YCC_WEIGHTS: Final = {
    1: (3 * 1.164**2, 4 * (2.018**2 + 0.391**2), 4 * (1.596**2 + 0.813**2)),
    2: (3.0, 4 * (1.772**2 + 0.344**2), 4 * (1.402**2 + 0.714**2)),
}


class SvdOptions(CodecOptions):
    """Options of the encoder; at most one of `rank`, `energy` and `psnr`."""

    rank: int | float | None = None
    """Singular values kept: int is their number, float in (0, 1] a share of min(H, W)."""
    energy: float | None = None
    """Share of the sum of squared singular values to keep in every plane, in (0, 1]."""
    psnr: float | None = None
    """PSNR to reach in dB, on the full scale of the dtype, over all samples."""
    engine: Literal["exact", "randomized", "warm"] = "warm"
    """How singular vectors are found."""
    factors: Literal["coded", "float16", "float32", "float64"] = "coded"
    """How U and V are stored."""
    colour: Literal["bgr", "ycc420"] = "bgr"
    """Channels as they are, or luma and half-size chroma."""

    @field_validator("rank", "energy", "psnr", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:  # Any: foreign input, before validation
        if isinstance(value, bool) or (isinstance(value, float) and not np.isfinite(value)):
            raise ValueError(f"got {value}, want a number")
        return value

    @model_validator(mode="after")
    def _in_range(self) -> SvdOptions:
        given = [name for name in ("rank", "energy", "psnr") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"got {' and '.join(given)}, want at most one of rank, energy, psnr")
        if isinstance(self.rank, int) and self.rank < 1:
            raise ValueError(f"got rank {self.rank}, want an integer of at least 1")
        if isinstance(self.rank, float) and not 0 < self.rank <= 1:
            raise ValueError(f"got rank {self.rank}, want a share in (0, 1] or an integer")
        if self.energy is not None and not 0 < self.energy <= 1:
            raise ValueError(f"got energy {self.energy}, want a share in (0, 1]")
        if self.psnr is not None and not 0 < self.psnr <= 200:
            raise ValueError(f"got psnr {self.psnr}, want 0 to 200 dB")
        return self


def plane_shapes(shape: tuple[int, ...], colour: str) -> list[tuple[int, int]]:
    """Shapes of the matrices that a picture of `shape` is factorised as."""
    height, width = shape[:2]
    if colour == "ycc420":
        half = chroma_shape(height, width)
        return [(height, width), half, half]
    return [(height, width)] * channels_of(shape)


def rebuild(factors: Factors) -> Real:
    """The matrix sum_k s_k u_k vt_k, not rounded.

    Parameters
    ----------
    factors : Factors
        Of one plane; its dtype is that of the arithmetic.

    Returns
    -------
    ndarray, shape (m, n)
    """
    us = np.ascontiguousarray(factors.u * factors.s.astype(factors.u.dtype))
    out = np.empty((factors.u.shape[0], factors.v.shape[0]), factors.u.dtype)
    with one_blas_thread():
        pool.run(row_products(us, factors.v.T, out))
    return out


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
        check_work(plane_shapes(pixels.shape, options.colour), [f.rank for f in found])
        bodies, errors = self._pack(sources, planes, found)
        if options.colour == "bgr" or not any(errors):
            error = subsampling + sum(errors)
        else:
            # The errors of luma and chroma overlap, so that no sum of estimates is true.
            views = [memoryview(body) for body in bodies]
            ranks = [factors.rank for factors in found]
            seen = _unpack(views, sources, ranks, options.factors, pixels.dtype.itemsize)
            rebuilt = _assemble(seen, pixels.shape, pixels.dtype, options.colour)
            error = max(1, squared_distance(as_channels(pixels), as_channels(rebuilt)))
        total = sum(factors.total for factors in found)
        kept = sum(min(factors.kept, factors.total) for factors in found)
        return Coded(
            b"".join(bodies),
            params=(FACTORS.index(options.factors), COLOURS.index(options.colour)),
            # 0 is a promise: any estimate above it is at least 1.
            squared_error=max(1, round(error)) if error > 0 else 0,
            energy=kept / total if total else 1.0,
            rank=tuple(factors.rank for factors in found),
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
                f"got psnr {options.psnr} dB, half-size chroma limits this picture to "
                f"{reachable:.2f} dB: use colour=bgr"
            )
        share = svd_coded.NOISE_SHARE if options.factors == "coded" else 0.0
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
        self, sources: Sequence[Source], planes: Sequence[Plane], found: Sequence[Factors]
    ) -> tuple[list[bytes], list[float]]:
        """Bodies of the planes, and their squared errors: estimates, or 0 where proven."""
        form = self.options.factors
        if form == "coded":
            budgets = [
                svd_coded.NOISE_SHARE * (factors.dropped + ROUNDING_NOISE * plane.a.size)
                for factors, plane in zip(found, planes, strict=True)
            ]
            packed = svd_coded.pack(found, budgets)
        else:
            packed = svd_floats.pack(found, form)
        bodies, errors = [], []
        for index, (plane, factors) in enumerate(zip(planes, found, strict=True)):
            body, noise = packed[index]
            error = factors.dropped + noise + ROUNDING_NOISE * plane.a.size
            if factors.dropped < EXACT_CANDIDATE * plane.a.size:
                body, exact = self._prove(sources[index], factors, body)
                error = 0.0 if exact else error
            bodies.append(body)
            errors.append(error)
        return bodies, errors

    def _prove(self, source: Source, factors: Factors, body: bytes) -> tuple[bytes, bool]:
        """Rebuild a plane that may be exact; refine a coded one until it is."""
        picture, channel = source
        shape, form = picture.shape[:2], self.options.factors
        noise = 0.5 * svd_coded.NOISE_SHARE * ROUNDING_NOISE * shape[0] * shape[1]
        for _ in range(MAX_REFINEMENTS):
            views = [memoryview(body)]
            seen = _unpack(views, [source], [factors.rank], form, picture.dtype.itemsize)
            if farthest(picture, channel, rebuild(seen[0])) <= EXACT_MARGIN:
                return body, True
            if form != "coded":
                break
            ((body, _),) = svd_coded.pack([factors], [noise])
            noise /= 4
        return body, False


class SvdDecoder:
    """Multiplies the factors of each packet."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        planes = read_factors(header, body)
        return _assemble(planes, header.shape or (), header.dtype, _params(header)[1])


def _assemble(
    planes: Sequence[Factors], shape: tuple[int, ...], dtype: np.dtype[Any], colour: str
) -> Pixels:
    """Rebuild planes, round and clip them, and put them together."""
    if colour == "bgr":
        pixels: Pixels = np.empty((*shape[:2], channels_of(shape)), dtype)
        for channel, factors in enumerate(planes):
            store_plane(rebuild(factors), pixels, channel)
        return pixels.reshape(shape)
    stored = []
    for factors, plane_shape in zip(planes, plane_shapes(shape, colour), strict=True):
        plane: Pixels = np.empty((*plane_shape, 1), dtype)
        store_plane(rebuild(factors), plane, 0)
        stored.append(plane[..., 0])
    return merge_ycc420((stored[0], stored[1], stored[2]))


def _unpack(
    views: Sequence[memoryview],
    sources: Sequence[Source],
    ranks: Sequence[int],
    form: str,
    sample_bytes: int,
) -> list[Factors]:
    """The factors that a decoder will see."""
    dtype = arithmetic(sample_bytes, form)
    shapes = [(picture.shape[0], picture.shape[1]) for picture, _ in sources]
    if form == "coded":
        return svd_coded.unpack(views, shapes, ranks, dtype)
    return svd_floats.unpack(views, shapes, ranks, form, dtype)


def read_factors(header: Header, body: memoryview) -> list[Factors]:
    """U, s and Vt of every plane of a packet: what this codec publishes.

    Parameters
    ----------
    header : Header
    body : memoryview
        Of the same packet, as `rankcast.wire.unpack` returned them.

    Returns
    -------
    list of Factors
        Of each channel, or of Y, Cb and Cr. `rebuild` turns them into matrices; `total` is
        what the factors themselves hold.

    Raises
    ------
    PayloadError
        If header and body contradict each other or a number is not finite.
    LimitError
        If rebuilding would take more than `MAX_PRODUCTS` multiplications.
    """
    form, colour = _params(header)
    shapes = plane_shapes(header.shape or (), colour)
    ranks = list(header.rank)
    if len(ranks) != len(shapes):
        raise PayloadError(f"got {len(ranks)} ranks, the picture has {len(shapes)} planes")
    for shape, rank in zip(shapes, ranks, strict=True):
        if rank > min(shape):
            raise PayloadError(f"got rank {rank}, the limit is min(H,W)={min(shape)}")
    try:
        check_work(shapes, ranks)
    except UnsupportedImageError as exc:
        raise LimitError(str(exc)) from None
    dtype = arithmetic(header.dtype_bytes, form)
    if form == "coded":
        planes = svd_coded.unpack(svd_coded.split(body, len(shapes)), shapes, ranks, dtype)
    else:
        views = svd_floats.split(body, shapes, ranks, form)
        planes = svd_floats.unpack(views, shapes, ranks, form, dtype)
    for factors in planes:
        _check_bounds(factors, (1 << (8 * header.dtype_bytes)) - 1)
    return planes


def arithmetic(sample_bytes: int, form: str) -> type[np.float32] | type[np.float64]:
    """Type that factors are multiplied in: float64 where 24 bits are too few."""
    return np.float32 if sample_bytes == 1 and form != "float64" else np.float64


def check_work(shapes: Sequence[tuple[int, int]], ranks: Sequence[int]) -> None:
    """Refuse a picture that takes more than `MAX_PRODUCTS` multiplications to rebuild.

    Raises
    ------
    UnsupportedImageError
    """
    products = sum(m * n * k for (m, n), k in zip(shapes, ranks, strict=True))
    if products > MAX_PRODUCTS:
        raise UnsupportedImageError(
            f"got {products} multiplications to rebuild the picture, the limit is {MAX_PRODUCTS}"
        )


def _params(header: Header) -> tuple[str, str]:
    """Names of factors and colour."""
    params = header.params
    if (
        len(params) != 2
        or params[0] not in range(len(FACTORS))
        or params[1] not in range(len(COLOURS))
    ):
        raise PayloadError(f"got svd parameters {params}, want factors 0..3 and colour 0..1")
    form, colour = FACTORS[int(params[0])], COLOURS[int(params[1])]
    if colour == "ycc420" and (header.shape is None or header.shape[2:] != (3,)):
        raise PayloadError(f"got half-size chroma with shape {header.shape}, want 3 channels")
    return form, colour


def _check_bounds(factors: Factors, peak: int) -> None:
    """Refuse numbers that no picture has; comparisons are such that NaN fails them."""
    m, n = factors.u.shape[0], factors.v.shape[0]
    if factors.rank == 0:
        return
    # The norm of a matrix of samples bounds its singular values; 1 + 1/256 for rounding.
    most = peak * float(np.sqrt(m * n)) * (1 + 1 / 256)
    if not (factors.s.min() > 0 and factors.s.max() <= most):
        raise PayloadError(
            f"got singular values {factors.s.min():.3g} to {factors.s.max():.3g}, "
            f"want above 0 and at most {most:.3g}"
        )
    for name, matrix in (("U", factors.u), ("V", factors.v)):
        low, high = float(matrix.min()), float(matrix.max())
        if not (low >= -MAX_ENTRY and high <= MAX_ENTRY):
            raise PayloadError(
                f"got entries of {name} from {low:.3g} to {high:.3g}, want at most {MAX_ENTRY}"
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
            f"got shape {pixels.shape}, colour=ycc420 wants three channels: use colour=bgr"
        )
    planes = split_ycc420(pixels)
    error = squared_distance(as_channels(pixels), as_channels(merge_ycc420(planes)))
    return [(as_channels(plane), 0) for plane in planes], error


SVD = Codec(1, "svd", SvdOptions, SvdEncoder, SvdDecoder)
