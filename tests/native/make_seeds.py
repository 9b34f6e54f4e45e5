"""Writes what the encoders make of small pictures as inputs of the fuzz targets of the core.

    python tests/native/make_seeds.py FOLDER       FOLDER/TARGET/NUMBER

An input begins with the fields that its target takes, in the order of the C source.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

import rankcast
from rankcast.codec import bands
from rankcast.codec.gan.layout import channel_table, context_count
from rankcast.codec.gan.symbols import coder_from, encode_code
from rankcast.codec.kmeans.indices import pack_palette, pack_plane
from rankcast.codec.pca import statistics
from rankcast.codec.svd import cut, matrix, read_bands
from rankcast.codec.svd_patch import geometry
from rankcast.codec.svd_patch.basis import basis_bits, make_basis, table_basis
from rankcast.codec.svd_patch.engine import Engine
from rankcast.codec.svd_patch.geometry import Layout, geometry_of
from rankcast.codec.svd_patch.layout import Canvas, to_planes
from rankcast.codec.svd_patch.loop_filter import FILTER_SCALE, loop_filter_of
from rankcast.codec.svd_patch.payload import write_bases
from rankcast.codec.svd_patch.picture import Picture
from rankcast.core import function
from rankcast.entropy.rangecoder import new_coder
from rankcast.wire import Chain, Kind, unpack

Pixels = NDArray[Any]
KINDS: Final = (Kind.KEY, Kind.PREDICTED, Kind.REFERENCE)
PARTS: Final = {"TWO": 1400, "FOUR": 3000}
"""Pixels of a picture from which on it has two and four parts in the fuzz targets."""


class Fields:
    """The bytes that `take` and `take_part` of harness.h read."""

    def __init__(self) -> None:
        self.data = b""

    def put(self, value: int, low: int, high: int) -> Fields:
        """Add a number from `low` to `high`."""
        if not low <= value <= high:
            raise ValueError(f"got {value}, want {low} to {high}")
        size = 1 if high - low < 1 << 8 else 2 if high - low < 1 << 16 else 4
        self.data += (value - low).to_bytes(size, "little")
        return self

    def part(self, data: bytes) -> Fields:
        """Add bytes with their length before them."""
        self.put(len(data), 0, 65535)
        self.data += data
        return self


def scene(shape: tuple[int, ...], dtype: type, number: int) -> Pixels:
    """A slope with noise and a bar that moves."""
    rng = np.random.default_rng(number)
    peak = int(np.iinfo(dtype).max)
    picture = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * (peak / sum(shape[:2]))
    picture[:, (3 * number) % shape[1] :][:, : shape[1] // 4 + 1] = peak * 0.8
    picture = picture.reshape(*shape[:2], *(1,) * (len(shape) - 2))
    return np.clip(picture + rng.normal(0, peak / 60, shape), 0, peak).astype(dtype)


def range_coder() -> Iterator[bytes]:
    """Symbols with and without models."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 72, 200)
    contexts = np.where(kinds < 32, kinds, 31 - kinds).astype(np.int64)
    values = np.array([int(rng.integers(0, 1 << max(1, -context))) for context in contexts])
    coder, data = new_coder(32), np.zeros(4096, np.uint8)
    function("rk_range_start_encoder")(coder, data.size)
    function("rk_range_code")(coder, data, contexts, values, values.size)
    size = function("rk_range_finish_encoder")(coder, data)
    fields = Fields().put(values.size, 0, 512).put(0, 0, 4)
    for kind in kinds:
        fields.put(int(kind), 0, 71)
    yield fields.data + data[:size].tobytes()


def lossless() -> Iterator[bytes]:
    """Photographs and drawings, of one to five channels."""
    for dtype, shape in itertools.product(
        (np.uint8, np.uint16), ((1, 1), (20, 33), (17, 24, 3), (9, 8, 5))
    ):
        noisy = scene(shape, dtype, 1)
        peak = np.iinfo(dtype).max
        for image in (noisy, noisy // (peak // 3) * (peak // 3)):
            packet = unpack(rankcast.Encoder("lossless").encode(image))
            transform, repeats = packet.header.params
            channels = shape[2] if len(shape) == 3 else 1
            fields = Fields().put(int(dtype is np.uint16), 0, 1)
            fields.put(shape[0], 1, 40).put(shape[1], 1, 40).put(channels, 1, 5)
            fields.put(int(transform), 0, 1).put(int(repeats), 0, 1).put(2, 0, 12)
            yield fields.data + b"\x55\xaa" + bytes(packet.body)


def svd() -> Iterator[bytes]:
    """Matrices of small, large and hardly any coefficients."""
    rng = np.random.default_rng(0)
    for scale, (columns, length) in itertools.product(
        (0.2, 3.0, 4000.0, 1e7), ((1, 1), (5, 130), (20, 64))
    ):
        values = np.rint(rng.laplace(0, scale, (columns, length))).astype(np.int32)
        end = columns // 2
        coded = matrix.pack_values(values, [end, columns])
        first, second = map(bytes, coded.words)
        fields = Fields().put(columns, 1, 24).put(length, 1, 200)
        fields.put(end, 0, columns).put(len(first), 0, 65535)
        yield fields.data + bytes(coded.tables) + first + second


def svd_rebuild() -> Iterator[bytes]:
    """Factors of noise, and floats of all kinds."""
    rng = np.random.default_rng(0)
    for form, (height, width, channels) in itertools.product(
        range(3), ((1, 1, 1), (33, 40, 3), (40, 65, 2))
    ):
        rank = min(height, width, 6)
        fields = Fields().put(0, 0, 1).put(form, 0, 2).put(height, 1, 70).put(width, 1, 70)
        fields.put(channels, 1, 4)
        for _ in range(channels):
            fields.put(rank, 0, min(height, width, 12))
        yield fields.put(0, 0, height).put(height, 0, height).data + rng.bytes(4000)
        dtype = np.float32 if form == 0 else np.float64
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.5, 1.5, 255.5, 65535.5, 1e300], np.float64)
        with np.errstate(over="ignore"):
            reals = odd.astype(dtype).tobytes()
        fields = Fields().put(1, 0, 1).put(form, 0, 2).put(channels, 1, 4).put(0, 0, channels - 1)
        yield fields.data + reals


def kmeans() -> Iterator[bytes]:
    """Palettes and planes of their indices."""
    rng = np.random.default_rng(0)
    for channels, peak in ((1, 255), (3, 255), (3, 65535), (5, 65535)):
        palette = np.sort(rng.integers(0, peak + 1, (40, channels)), axis=0)
        fields = Fields().put(0, 0, 1).put(40, 1, 300).put(channels, 1, 66)
        yield fields.put(int(peak > 255), 0, 1).data + pack_palette(palette)
    for colours, (height, width) in itertools.product((2, 3, 200, 65536), ((1, 1), (31, 40))):
        plane = np.repeat(rng.integers(0, colours, (height, -(-width // 4))), 4, axis=1)
        plane = np.ascontiguousarray(plane[:, :width].astype(np.uint16))
        fields = Fields().put(1, 0, 1).put(height, 1, 48).put(width, 1, 48)
        yield fields.put(colours, 1, 65536).data + pack_plane(plane, colours)


def pca() -> Iterator[bytes]:
    """Statistics of rows, and scores."""
    rng = np.random.default_rng(0)
    for widths, dtype in (([40], np.uint8), ([16, 16, 16], np.uint8), ([7, 60], np.uint16)):
        kind: np.dtype[Any] = np.dtype(dtype)
        peak = np.iinfo(dtype).max
        planes = [
            statistics.measure(rng.integers(0, peak + 1, (9, width)).astype(float), kind)
            for width in widths
        ]
        fields = Fields().put(0, 0, 1).put(len(widths), 1, 4).put(int(dtype is np.uint16), 0, 1)
        for width in widths:
            fields.put(width, 1, 80)
        yield fields.data + statistics.pack(planes)
    for count, first in ((1, 0), (30, 15), (400, 8)):
        classes = np.maximum(first - np.arange(count), 0).astype(np.uint8)
        values = np.rint(rng.normal(0, 1.0, count) * 2.0**classes).astype(np.int64)
        data = np.zeros(16 * count + 64, np.uint8)
        size = function("rk_pca_pack_scores")(values, classes, count, data, data.size)
        fields = Fields().put(1, 0, 1).put(count, 0, 400).put(first, 0, 15)
        yield fields.data + data[:size].tobytes()


def gan() -> Iterator[bytes]:
    """Codes of few and of all channels."""
    rng = np.random.default_rng(0)
    for (luma, chroma), scale, prior in itertools.product(
        ((1, 1), (15, 6), (64, 64)), (0.5, 20.0), (1 << 15, 3000)
    ):
        table = channel_table(luma, chroma)
        priors = np.full(context_count(len(table)), prior, np.uint16)
        values = rng.laplace(0, scale, (4, 5, len(table))) * np.exp(-table[:, 1] / 1.5)
        code, _ = encode_code(coder_from(priors), values.astype(np.float32), table, 0.15)
        fields = Fields().put(luma, 1, 64).put(chroma, 1, 64).put(4, 1, 6).put(5, 1, 6)
        yield fields.put(prior, 64, 65471).data + code


def planes() -> Iterator[bytes]:
    """Planes of noise, which make all colours and none."""
    rng = np.random.default_rng(0)
    for kind, (height, width) in itertools.product(range(3), ((1, 1), (17, 33), (16, 16))):
        fields = Fields().put(kind, 0, 2).put(height, 1, 40).put(width, 1, 40)
        yield fields.data + rng.bytes(600)


def svd_patch_basis() -> Iterator[bytes]:
    """Factors that are those of the table for some planes and rotated for others."""
    rng = np.random.default_rng(0)
    for deep in (False, True):
        one = 1 << basis_bits(deep)
        turned = np.linalg.qr(rng.normal(0, 1, (8, 8)))[0]
        factors = np.clip(np.rint(turned * one), 1 - one, one - 1).astype(np.int32)
        own = make_basis(factors, factors.T.copy(), deep)
        bases = [table_basis(deep), own, own]
        yield Fields().put(int(deep), 0, 1).put(3, 1, 8).data + write_bases(bases, deep)


def svd_patch() -> Iterator[bytes]:
    """A key frame and two that follow, of every layout."""
    for layout, shape, borders in (
        (Layout.GREY, (1, 1), ()),
        (Layout.GREY, (70, 41), (1, 2)),
        (Layout.YCC420, (47, 50, 3), (1,)),
        (Layout.YCC444, (33, 40, 3), ()),
        (Layout.BAYER, (45, 50), ()),
        (Layout.CHANNELS, (40, 32, 2), (1,)),
    ):
        for dtype, step, own in itertools.product((np.uint8, np.uint16), (24, 160), (0, 1)):
            steps = step << (8 * (dtype is np.uint16))
            yield _frames(layout, shape, dtype, borders, steps, bool(own))


def _frames(
    layout: Layout, shape: tuple[int, ...], dtype: type, borders: tuple[int, ...], step: int,
    own: bool,
) -> bytes:  # fmt: skip
    geometry = replace(geometry_of(layout, shape, np.dtype(dtype).itemsize), borders=borders)
    fields = Fields().put(layout, 0, 4).put(int(geometry.deep), 0, 1)
    least = 2 if layout is Layout.BAYER else 1
    fields.put(shape[0], least, 80).put(shape[1], least, 80)
    fields.put(shape[2] if layout is Layout.CHANNELS else 2, 2, 4).put(step, 4, 1 << 20)
    loop_filter = loop_filter_of(step, 8 * np.dtype(dtype).itemsize)
    fields.put(loop_filter % FILTER_SCALE, 0, 51).put(loop_filter // FILTER_SCALE, 0, 8)
    fields.put(len(borders) + 1, 1, 3)
    for before, border in itertools.pairwise((0, *borders)):
        fields.put(border, before, geometry.bands)
    fields.put(0, 0, 1).put(3, 1, 3)
    engine, canvas = Engine(geometry), Canvas(geometry)
    source = [np.zeros(plane.padded, np.uint16) for plane in geometry.planes]
    reference = None
    for number in range(3):
        to_planes(scene(shape, dtype, number), geometry, source, canvas)
        picture = Picture(geometry)
        picture.start_from(reference)
        if reference is None:
            table = table_basis(geometry.deep)
            turned = make_basis(table.factors[1], -table.factors[0], geometry.deep)
            picture.bases = [turned if own else table] * len(geometry.planes)
            fields.part(write_bases(picture.bases, geometry.deep))
        else:
            fields.put(0, 0, 1)
        parts = engine.write(source, borders, picture, reference, step, loop_filter, 8, 1, None)
        for part in parts:
            fields.part(part)
        reference = picture
    return fields.data


@contextmanager
def small_parts() -> Iterator[None]:
    """Cut pictures into parts as the fuzz targets are compiled to."""
    geometry_of.cache_clear()
    try:
        with ExitStack() as stack:
            for module, kind in ((geometry, "SLICES"), (bands, "BANDS")):
                for count, pixels in PARTS.items():
                    name = f"{count}_{kind}"
                    stack.enter_context(patch.object(module, name, pixels))
            yield
    finally:
        geometry_of.cache_clear()


def packet() -> Iterator[bytes]:
    """Packets of every form that the core decodes as a whole, and of several parts."""
    grey, colour, odd = (40, 33), (33, 40, 3), (17, 24, 4)
    with small_parts():
        for codec, shape, dtype in itertools.product(
            ("lossless", "svd-patch"),
            ((48, 40), (66, 50, 3), (70, 69)),
            (np.uint8, np.uint16),
        ):
            yield _packets(rankcast.Encoder(codec), shape, dtype)
            if codec == "svd-patch":
                yield _from_reference(rankcast.Encoder(codec), shape, dtype)
    settings: tuple[tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]], ...] = (
        ("raw", {}, (grey, colour)),
        ("lossless", {}, (grey, colour, odd)),
        *(
            ("svd", {"factors": form, "rank": 5}, (grey, colour))
            for form in ("coded", "float16", "float32", "float64")
        ),
        ("svd", {"colour": "ycc420", "rank": 4}, (colour,)),
        ("svd", {"rank": 32}, (grey, colour)),
        ("svd-patch", {"quality": 60}, (grey, colour, odd)),
        ("svd-patch", {"colour": "ycc444"}, (colour,)),
    )
    for (codec, options, shapes), dtype in itertools.product(settings, (np.uint8, np.uint16)):
        for shape in shapes:
            yield _packets(rankcast.Encoder(codec, **options), shape, dtype)


def _packets(encoder: rankcast.Encoder, shape: tuple[int, ...], dtype: type) -> bytes:
    return _stream([encoder.encode(scene(shape, dtype, number)) for number in range(3)], shape)


def _from_reference(encoder: rankcast.Encoder, shape: tuple[int, ...], dtype: type) -> bytes:
    key, *others = (encoder.encode(scene(shape, dtype, number)) for number in range(3))
    decoder = rankcast.Decoder()
    decoder.decode(key)
    return _stream([decoder.reference_packet(), *others], shape)


def _stream(packets: list[bytes], shape: tuple[int, ...]) -> bytes:
    fields, chain = Fields().put(len(packets), 1, 3), Chain()
    for number, packet in enumerate(packets):
        found = unpack(packet)
        if found.header.codec == 1:
            # The first is whole, later ones lose a band each.
            found = cut(found, max(1, len(read_bands(found)) - number))
        header = chain.complete(found.header)
        chain.add(header)
        fields.put(header.codec or 0, 0, 4).put(KINDS.index(header.kind), 0, 2).put(1, 0, 2)
        fields.put(-1 if header.checksum is None else header.checksum, -1, (1 << 32) - 2)
        fields.put(shape[0], 1, 70).put(shape[1], 1, 70)
        fields.put(shape[2] if len(shape) == 3 else 1, 1, 4).put(header.dtype_bytes, 1, 2)
        fields.put(len(header.params), 0, 4).put(len(header.rank), 0, 4)
        for param in header.params:
            fields.put(int(param), -1, 1 << 20)
        for rank in header.rank:
            fields.put(rank, -1, 65535)
        fields.part(bytes(found.body))
    return fields.data


TARGETS = (
    range_coder, lossless, svd, svd_rebuild, kmeans, pca, gan, planes, svd_patch_basis, svd_patch,
    packet,
)  # fmt: skip


def write_seeds(folder: Path) -> None:
    """Write the seeds of all targets into folders of their names."""
    for target in TARGETS:
        into = folder / target.__name__
        into.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(target()):
            (into / f"{number:03}").write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
