"""The body of a reference packet: a picture and all that later ones are predicted from.

A viewer that joins in the middle of a group begins with it as with a key frame, and goes on with
the next predicted frame. docs/wire.md has the bytes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.lossless import LosslessDecoder, LosslessEncoder
from rankcast.codec.protocol import no_options
from rankcast.codec.svd_patch.payload import read_bases, write_bases
from rankcast.codec.svd_patch.picture import FRESH_MODELS, Picture
from rankcast.entropy.rangecoder import REGISTERS, Coder
from rankcast.errors import PayloadError
from rankcast.frame import Frame
from rankcast.wire import Header, Kind, Limits

_MOST_COUNT: Final = 95
_MODEL_BYTES: Final = 5
"""Two estimates of two bytes, and a count."""
_LENGTH_BYTES: Final = 4


def write_reference(picture: Picture) -> bytes:
    """Serialise planes, models and bases of a picture."""
    parts = [write_bases(picture.bases, picture.geometry.deep)]
    parts += [_model_bytes(coder) for coder in picture.coders]
    options = no_options()
    for plane in picture.planes:
        coded = LosslessEncoder(options()).encode(Frame(_samples(picture, plane)), 0)
        parts.append(bytes((int(coded.params[1]),)) + coded.body)
    lengths = b"".join(len(part).to_bytes(_LENGTH_BYTES, "little") for part in parts[:-1])
    return lengths + b"".join(parts)


def read_reference(body: memoryview, picture: Picture) -> None:
    """Rebuild planes, models and bases in `picture`, whose geometry is that of the header.

    Raises
    ------
    PayloadError
        If a part is cut, goes on after its end, or holds what no decoder comes to.
    """
    geometry = picture.geometry
    bases, *rest = _split(body, 1 + len(picture.coders) + len(picture.planes))
    models, planes = rest[: len(picture.coders)], rest[len(picture.coders) :]
    picture.bases = read_bases(bytes(bases), len(geometry.planes), geometry.deep)
    for coder, part in zip(picture.coders, models, strict=True):
        _read_models(part, coder)
    for plane, part in zip(picture.planes, planes, strict=True):
        if not part:
            raise PayloadError("got a plane of 0 bytes, want a flag and its samples")
        samples = _samples(picture, plane)
        header = Header(
            Kind.KEY, b"", 0, params=(0, part[0]), shape=samples.shape,
            dtype_bytes=samples.itemsize,
        )  # fmt: skip
        # The limits hold for the picture; its planes are padded.
        rebuilt = LosslessDecoder(Limits()).decode(header, part[1:])
        if int(rebuilt.max()) > geometry.largest:
            raise PayloadError(f"got a sample of {rebuilt.max()}, the limit is {geometry.largest}")
        np.copyto(plane, rebuilt)


def _samples(picture: Picture, plane: NDArray[np.uint16]) -> NDArray[np.uint8 | np.uint16]:
    """Return samples as `lossless` takes them: bytes where these suffice."""
    return plane.astype(np.uint8) if picture.geometry.largest <= 255 else plane


def _split(body: memoryview, count: int) -> list[memoryview]:
    """Cut a body into parts: the lengths of all but the last one come first."""
    position = _LENGTH_BYTES * (count - 1)
    if len(body) < position:
        raise PayloadError(f"got {len(body)} bytes, {position} of lengths are wanted")
    parts = []
    for begin in range(0, position, _LENGTH_BYTES):
        size = int.from_bytes(body[begin : begin + _LENGTH_BYTES], "little")
        if size > len(body) - position:
            raise PayloadError(f"got a part of {size} bytes, {len(body) - position} are left")
        parts.append(body[position : position + size])
        position += size
    return [*parts, body[position:]]


def _model_bytes(coder: Coder) -> bytes:
    """Serialise the models that differ from those of a key frame, about half of them."""
    models = coder[REGISTERS:]
    changed = models != FRESH_MODELS
    left = models[changed]
    estimates = (((left >> shift) & 0xFFFF).astype("<u2").tobytes() for shift in (0, 16))
    bitmap = np.packbits(changed, bitorder="little").tobytes()
    return b"".join((bitmap, *estimates, (left >> 32).astype(np.uint8).tobytes()))


def _read_models(part: memoryview, coder: Coder) -> None:
    size = len(FRESH_MODELS)
    bitmap_bytes = -(-size // 8)
    bits = np.unpackbits(np.frombuffer(part[:bitmap_bytes], np.uint8), bitorder="little")
    count = int(bits.sum())
    if len(part) != bitmap_bytes + _MODEL_BYTES * count or bits[size:].any():
        raise PayloadError(f"got models of {len(part)} bytes, want {size} or what differs in them")
    values = part[bitmap_bytes:]
    fast = np.frombuffer(values[: 2 * count], "<u2").astype(np.int64)
    slow = np.frombuffer(values[2 * count : 4 * count], "<u2").astype(np.int64)
    counts = np.frombuffer(values[4 * count :], np.uint8).astype(np.int64)
    # The estimates of the range coder never get to 0, which would leave a bit no width.
    if not (fast.all() and slow.all()) or (counts > _MOST_COUNT).any():
        raise PayloadError(f"got a model of probability 0 or a count above {_MOST_COUNT}")
    models = FRESH_MODELS.copy()
    models[bits[:size].astype(bool)] = fast | slow << 16 | counts << 32
    coder[REGISTERS:] = models
