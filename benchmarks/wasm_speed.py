"""Decoders of whole packets as WebAssembly: processor time of a stream in Node.js.

    python benchmarks/wasm_speed.py [--data DIR] [--quick] [--output FILE.json]

Needs Node.js. The stream is 1280 x 720 at 30 fps and 3 Mbit/s; V8 is that of a browser.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import codec_pictures
import numpy as np
from command_line import data_name, finish, option_parser, say
from record import REPOSITORY, Record, Row, at_most, rounded

# Cases of packets, and the program that decodes them, belong to the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))
sys.path.insert(0, str(REPOSITORY / "scripts"))

from build_core import build_wasm

import rankcast
from rankcast.wire import Kind, Packet, unpack
from support.core_packets import cases_of, write_cases

WIDTH: Final = 1280
HEIGHT: Final = 720
FPS: Final = 30
RATE: Final = 3_000_000
WARM_FRAMES: Final = 30
"""Left out: V8 compiles again while they run."""


def stream(data: Path | None, count: int) -> list[Packet]:
    """Packets of a clip at the rate."""
    encoder = rankcast.Encoder("svd-patch", bitrate=RATE)
    pictures = codec_pictures.scene("moving", data, count, WIDTH, HEIGHT)
    packets = []
    for number in range(count):
        # A short clip runs to and fro, so that nothing jumps.
        turn = number % max(2 * len(pictures) - 2, 1)
        frame = rankcast.Frame(
            pictures[min(turn, 2 * len(pictures) - 2 - turn)],
            frame=number,
            t_capture_mono_ns=round((1 + number) / FPS * 1e9),
        )
        packets.append(unpack(encoder.encode(frame)))
    return packets


def times_ms(packets: list[Packet], wasm: Path, node: str) -> list[float]:
    """Processor time of each packet."""
    with tempfile.TemporaryDirectory() as folder:
        cases = write_cases(Path(folder) / "packets.cases", cases_of(packets))
        program = REPOSITORY / "tests" / "wasm" / "decode_packets.js"
        done = subprocess.run(
            [node, str(program), str(wasm), str(cases), "--time"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    if any(result != "0" for result, _ in lines):
        raise SystemExit("a packet of the stream was refused")
    return [float(ms) for _, ms in lines]


def rows(packets: list[Packet], times: list[float], wasm: Path) -> list[Row]:
    """Return the figures of the stream and of the module."""
    measured = np.array(times[WARM_FRAMES:])
    keys = [ms for ms, packet in zip(times, packets, strict=True)
            if packet.header.kind is Kind.KEY]  # fmt: skip
    rate = 8 * FPS * np.mean([packet.size for packet in packets]) / 1e6
    module = wasm.read_bytes()
    return [
        Row("rate of the stream", float(rate), "Mbit/s"),
        Row("of a core at 30 fps", float(measured.mean() * FPS / 10), "%", at_most(15)),
        Row("mean of a frame", float(measured.mean()), "ms"),
        Row("first key frame, before V8 has compiled all of it", keys[0], "ms"),
        Row("module", len(module) / 1e3, "kB", at_most(150)),
        Row("module, gzipped", len(gzip.compress(module)) / 1e3, "kB"),
    ]


def main() -> int:
    """Measure the stream and write the record."""
    options = option_parser(__doc__, data=True).parse_args()
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        say("Node.js is missing: apt-get install nodejs")
        return 2
    packets = stream(options.data, 90 if options.quick else 330)
    with tempfile.TemporaryDirectory() as folder:
        wasm = build_wasm(Path(folder))
        found = rows(packets, times_ms(packets, wasm, node), wasm)
    record = Record(
        "wasm-speed",
        "Decoding as WebAssembly",
        f"A clip of {WIDTH} x {HEIGHT} at {FPS} fps, coded at {RATE / 1e6:g} Mbit/s by `svd-patch`"
        " and decoded to RGBA in Node.js, on one thread. Times are those of the process, V8's own"
        " threads included.",
        rounded(found),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
