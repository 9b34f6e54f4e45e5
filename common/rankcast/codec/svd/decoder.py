"""Decoder of the codec `svd`: factors to pictures, trusting nothing in the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rankcast import pool
from rankcast.codec.svd import coded, floats
from rankcast.codec.svd.bands import BandedBody, band_of, split
from rankcast.codec.svd.product import rebuild_tasks
from rankcast.errors import LimitError, PayloadError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import Factors, chroma_shape, merge_ycc420
from rankcast.wire import Header, Limits

FACTORS: Final = ("coded", "float16", "float32", "float64")
COLOURS: Final = ("bgr", "ycc420")
"""Values of the options of these names, in the order of the numbers in the header."""
MAX_PRODUCTS: Final = 2**38
"""Multiplications m n k of one picture: seconds of work, far above any that a camera needs."""
MAX_PRODUCTS_A_SAMPLE: Final = 3072
"""In float32, 110 ns of work on one core. Only a full rank of more than 3072 (1536 in float64) is
beyond it."""
FREE_PRODUCTS: Final = 2**31
"""In float32, 80 ms on one core: what a picture of any size may take."""
MAX_ENTRY: Final = 4.0
"""Entries of orthonormal columns are at most 1, quantised at most 2."""


def plane_shapes(shape: tuple[int, ...], colour: str) -> list[tuple[int, int]]:
    """Shapes of the matrices that a picture of `shape` is factorised as."""
    height, width = shape[:2]
    if colour == "ycc420":
        half = chroma_shape(height, width)
        return [(height, width), half, half]
    return [(height, width)] * channels_of(shape)


class SvdDecoder:
    """Multiplies the factors of each packet."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        planes = read_factors(header, body)
        return assemble(planes, header.shape or (), header.dtype, _params(header)[1])


def assemble(
    planes: Sequence[Factors], shape: tuple[int, ...], dtype: np.dtype[Any], colour: str
) -> Pixels:
    """Rebuild planes, round and clip them, and put them together."""
    if colour == "bgr":
        pixels: Pixels = np.empty((*shape[:2], channels_of(shape)), dtype)
        pool.run(rebuild_tasks(planes, pixels))
        return pixels.reshape(shape)
    y, cb, cr = (np.empty((*size, 1), dtype) for size in plane_shapes(shape, colour))
    pool.run(
        [
            task
            for factors, plane in zip(planes, (y, cb, cr), strict=True)
            for task in rebuild_tasks([factors], plane)
        ]
    )
    return merge_ycc420((y[..., 0], cb[..., 0], cr[..., 0]))


def read_factors(header: Header, body: memoryview) -> list[Factors]:
    """U, s and Vt of every plane of a packet: what this codec publishes.

    Parameters
    ----------
    header : Header
    body : memoryview
        Of the same packet, as `rankcast.wire.packet.unpack` returned them.

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
        If rebuilding would take too many multiplications, see `check_work`.
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
        check_work(shapes, ranks, arithmetic(header.dtype_bytes, form))
    except UnsupportedImageError as exc:
        raise LimitError(str(exc)) from None
    planes = unpack_planes(split(body, band_of(header)), shapes, form, header.dtype_bytes)
    for factors in planes:
        check_bounds(factors, (1 << (8 * header.dtype_bytes)) - 1)
    return planes


def unpack_planes(
    body: BandedBody, shapes: Sequence[tuple[int, int]], form: str, sample_bytes: int
) -> list[Factors]:
    """Read the factors of planes whose ranks were checked against their shapes.

    Raises
    ------
    PayloadError
        If the bands do not hold them.
    """
    dtype = arithmetic(sample_bytes, form)
    if form == "coded":
        return coded.unpack(body, shapes, dtype)
    return floats.unpack(body, shapes, form, dtype)


def arithmetic(sample_bytes: int, form: str) -> type[np.float32] | type[np.float64]:
    """Type that factors are multiplied in: float64 where 24 bits are too few."""
    return np.float32 if sample_bytes == 1 and form != "float64" else np.float64


def check_work(
    shapes: Sequence[tuple[int, int]], ranks: Sequence[int], dtype: type[np.floating[Any]]
) -> None:
    """Refuse a picture that takes too long to rebuild, by the multiplications it needs.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Of the planes.
    ranks : sequence of int
    dtype : type
        Of the arithmetic; float64 takes twice as long.

    Raises
    ------
    UnsupportedImageError
        Beyond `MAX_PRODUCTS`, or `FREE_PRODUCTS` and `MAX_PRODUCTS_A_SAMPLE` in float32.
    """
    products = sum(m * n * k for (m, n), k in zip(shapes, ranks, strict=True))
    allowed = FREE_PRODUCTS + MAX_PRODUCTS_A_SAMPLE * sum(m * n for m, n in shapes)
    limit = min(MAX_PRODUCTS, allowed // (np.dtype(dtype).itemsize // 4))
    if products > limit:
        raise UnsupportedImageError(
            f"got {products} multiplications to rebuild the picture, the limit is {limit}: "
            "use a lower rank"
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


def check_bounds(factors: Factors, peak: int) -> None:
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
