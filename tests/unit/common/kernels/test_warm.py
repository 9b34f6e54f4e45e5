"""What `rankcast.kernels.warm` compiles is all that streams need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import pytest

import rankcast
from rankcast.codec import CODECS_BY_NAME
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import rankcast
from rankcast.codec import CODECS_BY_NAME
from rankcast.frame import Frame
from rankcast.kernels.jit import compiled_before
from rankcast.kernels.warm import warm

def kept():
    return {path.name for path in Path(sys.argv[1]).rglob("*.nbc")}

assert not compiled_before()
warm()
assert compiled_before()
before = kept()
assert before
options = {
    "svd-patch": [{}, {"colour": "ycc444"}, {"psnr": 38.0}, {"bitrate": "8 Mbit/s"}, {"gop": 2},
                  {"refs": 2}, {"rank": 3}],
    "svd": [{}, {"engine": "exact"}, {"engine": "randomized"}, {"psnr": 35.0},
            {"factors": "float32"}],
    "pca": [{}, {"layout": "patches"}, {"engine": "exact"}, {"components": 3}],
    "kmeans": [{}, {"k": 150, "fewer_colours": "code"}, {"k": 40, "start": "random"}],
}
rng = np.random.default_rng(0)
for name in sorted(CODECS_BY_NAME.keys() - {"gan"}):  # which has no streams without a model
    for dtype in ("uint8", "uint16"):
        if name == "jpeg" and dtype == "uint16":
            continue
        for shape in ((121, 163), (121, 163, 3), (122, 164, 3)):
            base = np.kron(rng.integers(0, 250, (16, 22, *shape[2:])),
                           np.ones((8, 8) + (1,) * (len(shape) - 2)))
            for chosen in options.get(name, [{}]):
                encoder, decoder = rankcast.Encoder(name, **chosen), rankcast.Decoder()
                for number in range(3):
                    image = np.roll(base, 3 * number, 1)[: shape[0], : shape[1]].astype(dtype)
                    decoder.decode(encoder.encode(np.ascontiguousarray(image)))
        if name in ("svd-patch", "lossless"):
            mosaic = rng.integers(0, 250, (121, 163)).astype(dtype)
            for image in (Frame(mosaic, cfa="RGGB"), np.repeat(mosaic[:, :, None], 5, 2)):
                encoder, decoder = rankcast.Encoder(name), rankcast.Decoder()
                for _ in range(3):
                    decoder.decode(encoder.encode(image))
print(*sorted(kept() - before), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_warming_no_stream_compiles_anything(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")},
        "RANKCAST_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True, text=True, timeout=800, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


LATE_LOADS = """
import sys
import msgpack
from numba.core.dispatcher import Dispatcher
import rankcast
from rankcast.kernels.warm import warm_decoder

late, load = [], Dispatcher.compile

def compile(dispatcher, signature):
    late.append(dispatcher.py_func.__name__)
    return load(dispatcher, signature)

streams = msgpack.unpackb(sys.stdin.buffer.read())
for name in sorted({name for name, _ in streams}):
    warm_decoder(name)
Dispatcher.compile = compile
for name, packets in streams:
    decoder = rankcast.Decoder()
    for packet in packets:
        decoder.decode(packet)
print(*late)
"""


def test_a_receiver_that_has_loaded_its_decoders_loads_nothing_with_the_first_pictures() -> None:
    rng = np.random.default_rng(3)
    streams = []
    for name in sorted(CODECS_BY_NAME.keys() - {"gan"}):
        for shape in ((121, 163), (121, 163, 3), (122, 164, 3)):
            for dtype in ("uint8", "uint16"):
                blocks = rng.integers(0, 250, (16, 22, *shape[2:]))
                base = np.kron(blocks, np.ones((8, 8) + (1,) * (len(shape) - 2)))
                encoder = rankcast.Encoder(name)
                try:
                    packets = [
                        encoder.encode(
                            np.roll(base, 3 * number, 1)[: shape[0], : shape[1]].astype(dtype)
                        )
                        for number in range(3)
                    ]
                except UnsupportedImageError:
                    continue  # jpeg and uint16
                streams.append((name, packets))
    encoder = rankcast.Encoder("svd-patch")
    mosaic = rng.integers(0, 250, (121, 163)).astype("uint8")
    streams.append(("svd-patch", [encoder.encode(Frame(mosaic, cfa="RGGB")) for _ in range(2)]))
    done = subprocess.run(
        [sys.executable, "-c", LATE_LOADS],
        input=msgpack.packb(streams), capture_output=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == []
