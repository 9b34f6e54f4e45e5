"""Bodies and parameters of `pca`, `kmeans` and `gan` that do not hold."""

from __future__ import annotations

import struct
import zlib

from corpus.hostile.messages import HUGE, Files, changed, seed


def _noise(number: int) -> bytes:
    return b"".join(zlib.crc32(b"%d %d" % (number, k)).to_bytes(4, "little") for k in range(400))


def pca() -> Files:
    """Statistics, ranks and patches."""
    for name in ("rows_grey", "patches_grey"):
        first = seed("pca", name)[0]
        body, label = bytes(first.body), f"pca/{name}"
        for number, params in enumerate(
            ((), (3,), (-1,), (0, 0), (1,), (1, 1), (1, 65), (1, 2.0), (2,), (2, 1.0), ("x",))
        ):
            if all(type(value) in (int, float) for value in params):
                yield f"{label}_layout_{number}.msg", changed(first, params=params)
        for number, rank in enumerate(((), (1, 1), (60,), (65_535,))):
            yield f"{label}_rank_{number}.msg", changed(first, rank=rank)
        yield f"{label}_statistics_2_32.msg", changed(first, b"\xff" * 4 + body[4:])
        yield f"{label}_statistics_none.msg", changed(first, bytes(4) + body[4:])
        for number in range(3):
            yield f"{label}_noise_{number}.msg", changed(first, body[:4] + _noise(number))
        yield f"{label}_bomb_of_products.msg", changed(first, rank=(8192,), shape=HUGE)
        yield (
            f"{label}_bomb_of_channels.msg",
            changed(first, rank=(1449,) * 64, shape=(1449, 1447, 64)),
        )
    thin = seed("pca", "patches_grey")[0]
    yield (
        "pca/bomb_of_ranks.msg",
        changed(seed("pca", "rows_deep")[0], rank=(4000,), shape=(4000, 4000)),
    )
    yield "pca/bomb_of_edges.msg", changed(thin, params=(1, 64), shape=(65_535, 1), rank=(1,))
    frames = seed("pca", "frames")[0]
    yield "pca/frames_without_id.msg", changed(frames, model_id=None)
    yield "pca/frames_of_another.msg", changed(frames, model_id=b"\7" * 16)
    for label, step in {"zero": 0.0, "minus": -1.0, "nan": float("nan"),
                        "inf": float("inf")}.items():  # fmt: skip
        yield f"pca/frames_step_{label}.msg", changed(frames, params=(2, step))


def kmeans() -> Files:
    """Palettes, bands and numbers of colours."""
    first = seed("kmeans", "grey")[0]
    body = bytes(first.body)
    for number, params in enumerate(((), (0,), (-1,), (109,), (65_536,), (5.5,), (5, 5), (1,))):
        yield f"kmeans/colours_{number}.msg", changed(first, params=params)
    yield "kmeans/palette_2_32.msg", changed(first, b"\xff" * 4 + body[4:])
    yield "kmeans/palette_empty.msg", changed(first, bytes(4) + body[4:])
    for number in range(4):
        noise = _noise(number)
        yield f"kmeans/noise_{number}.msg", changed(first, noise)
        yield (
            f"kmeans/noise_palette_{number}.msg",
            changed(first, struct.pack("<I", 40) + noise[:40] + body),
        )
    yield "kmeans/ones.msg", changed(first, struct.pack("<I", 20) + b"\xff" * 3000)
    # All cuts of the largest palette for each pixel.
    row = struct.pack("<I", 40) + bytes(40) + b"\xff" * 3000
    yield "kmeans/row.msg", changed(first, row, shape=(1, 65_535), params=(65_535,))
    yield "kmeans/huge.msg", changed(first, body, shape=HUGE)
    yield "kmeans/wide.msg", changed(first, body, shape=(16, 65_535))
    yield "kmeans/64_channels.msg", changed(first, body, shape=(1024, 2048, 64))


def gan() -> Files:
    """Labels, steps and models that nobody has; without torch all of it is refused at once."""
    first = seed("gan", "grey")[0]
    for number, params in enumerate((
        (), (0,), (0, 0.0), (0, 0.2), (0, 4.5), (0, float("nan")), (0, float("inf")), (0, 1),
        (0, 1.0, 1.0), (-1, 1.0), (64, 1.0), (2**64 - 1, 1.0), (0.0, 1.0),
    )):  # fmt: skip
        yield f"gan/params_{number}.msg", changed(first, params=params)
    yield "gan/no_model.msg", changed(first, model_id=None)
    for size in (1, 15, 16, 17, 32):
        yield f"gan/model_of_{size}.msg", changed(first, model_id=b"\7" * size)
    yield "gan/16_bits.msg", changed(first, dtype_bytes=2)
    yield "gan/huge.msg", changed(first, shape=HUGE)
