"""Time and memory of the codec: each coder in turn on the same frames, pixels in and packets out.

    python benchmarks/codec_speed.py [--data DIR] [--quick] [--output FILE.json]

Needs the extra `bench`. The codec runs at quality 75, its peers at the same PSNR.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import codec_peers
import codec_pictures
import numpy as np
from codec_rate import Tested
from command_line import data_name, finish, option_parser, say
from record import Record, Row, at_most, rounded

import rankcast
from rankcast.rate_distortion import PEERS, ClipFormat, Point, jpeg_encode
from rankcast.wire import Kind, unpack

SIZES: Final = ((640, 360), (1280, 720), (1920, 1080))
SCENES: Final = ("static", "moving", "noisy")
SENSOR: Final = (2448, 2048)
SENSOR_SCENES: Final = ("standing", "sensor")
"""Of a camera of 5 megapixels, in grey: its width and height, and the scenes."""
QUALITY: Final = 75
_WARM_FRAMES: Final = 3
_KEY_EVERY: Final = 6
_MATCHED_FRAMES: Final = 8
_MEMORY_FRAMES: Final = 24
_STAGES: Final = ("encode predicted", "encode key", "decode predicted", "decode key")
_BARS_MS: Final = {
    ("moving", "encode predicted"): 10.0, ("moving", "encode key"): 35.0,
    ("moving", "decode predicted"): 2.5, ("moving", "decode key"): 45.0,
    ("static", "encode predicted"): 15.0, ("noisy", "encode predicted"): 40.0,
    ("standing", "encode predicted"): 15.0, ("sensor", "encode predicted"): 15.0,
}  # fmt: skip
"""Bars for the largest frames, from a machine on which x264 veryfast codes a moving one in 12 ms on
one core."""

# Peak resident memory. Both runs import numpy and OpenCV, which therefore cancel.
_PEAK: Final = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""
_BARE: Final = "import numpy, cv2\n" + _PEAK + "print(peak())\n"
_ENCODER: Final = (
    """
import sys
import cv2
import numpy as np
import rankcast
path, codec, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
encoder = rankcast.Encoder(codec, **options)
frame = np.empty((1080, 1920, 3), np.uint8)
with open(path, "rb") as frames:
    while frames.readinto(memoryview(frame).cast("B")) == frame.nbytes:
        encoder.encode(frame)
"""
    + _PEAK
    + "print(peak())\n"
)


@dataclass(slots=True)
class Clock:
    """Wall and CPU time of calls of one kind; CPU is that of all threads of the process."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any] | None:
        """Return medians, 99th percentile and minimum in ms; the minimum is robust under load."""
        if not self.wall_s:
            return None
        return {
            "calls": len(self.wall_s),
            "p50_ms": round(1e3 * float(np.median(self.wall_s)), 3),
            "p99_ms": round(1e3 * float(np.percentile(self.wall_s, 99)), 3),
            "min_ms": round(1e3 * min(self.wall_s), 3),
            "cpu_p50_ms": round(1e3 * float(np.median(self.cpu_s)), 3),
            "cpu_min_ms": round(1e3 * min(self.cpu_s), 3),
            "cpu_mean_ms": round(1e3 * float(np.mean(self.cpu_s)), 3),
        }


class Clocks:
    """Clocks by name."""

    def __init__(self) -> None:
        self._clocks: dict[str, Clock] = {}

    def time(self, call: Callable[[], Any]) -> tuple[Any, float, float]:
        """Return result, wall time and CPU time of one call."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        return result, time.perf_counter() - wall, time.process_time() - cpu

    def add(self, name: str, wall_s: float, cpu_s: float) -> None:
        """Count one call."""
        clock = self._clocks.setdefault(name, Clock())
        clock.wall_s.append(wall_s)
        clock.cpu_s.append(cpu_s)

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        """Run and time a call; return its result."""
        result, wall_s, cpu_s = self.time(call)
        self.add(name, wall_s, cpu_s)
        return result

    def summary(self) -> dict[str, Any]:
        """Return the summaries of all clocks."""
        return {name: clock.summary() for name, clock in sorted(self._clocks.items())}


H264: Final = ("h264-ultrafast", "h264")
"""Peers of streams, by their names in `rankcast.rate_distortion`."""


def _options(tested: Tested, threads: int, effort: str = "default") -> dict[str, Any]:
    if tested.name == "svd-patch":
        return {"quality": QUALITY, "threads": threads, "effort": effort}
    return {"quality": QUALITY} if tested.name == "jpeg" else {"psnr": 40.0}


def _closest(
    settings: Sequence[Any], measure: Callable[[Any], Point], wanted_db: float
) -> tuple[Any, Point]:
    """Find the coarsest setting that reaches a PSNR, by bisection."""
    low, high = 0, len(settings) - 1
    while low < high:
        middle = (low + high) // 2
        if measure(settings[middle]).psnr_db >= wanted_db:
            high = middle
        else:
            low = middle + 1
    return settings[low], measure(settings[low])


def _scene(tested: Tested, frames: Sequence[Any], threads: Sequence[int]) -> dict[str, Any]:
    """One scene at one size: the codec at quality 75, its peers at the same PSNR."""
    short = frames[:_MATCHED_FRAMES]
    ours = codec_peers.rankcast_point(short, tested.name, **_options(tested, threads[-1]))
    wanted = min(ours.psnr_db, 60.0)
    quality, jpeg = _closest(range(5, 101), lambda q: codec_peers.jpeg_point(short[:1], q), wanted)
    crf = {
        peer: _closest(
            range(40, 1, -1), lambda c, p=peer: codec_peers.peer_point(short, p, c, 250), wanted
        )
        for peer in H264
    }
    result: dict[str, Any] = {
        "psnr_db": round(ours.psnr_db, 2) if math.isfinite(ours.psnr_db) else None,
        "bytes_per_frame": round(ours.size_bytes / len(short)),
        "peers": {
            "jpeg": {"quality": quality, "psnr_db": round(jpeg.psnr_db, 2)},
        }
        | {
            p: {
                "crf": c,
                "psnr_db": round(point.psnr_db, 2),
                "bytes_per_frame": round(point.size_bytes / len(short)),
            }
            for p, (c, point) in crf.items()
        },
        "threads": {},
    }
    for count in threads:
        result["threads"][str(count)] = _timed(
            tested, frames, count, quality, {p: c for p, (c, _) in crf.items()}
        )
    return result


def _timed(
    tested: Tested, frames: Sequence[Any], threads: int, quality: int, crf: dict[str, int]
) -> dict[str, Any]:
    rankcast.set_threads(threads)
    encoders = {
        effort: rankcast.Encoder(tested.name, **_options(tested, threads, effort))
        for effort in tested.efforts
    }
    decoder = rankcast.Decoder()
    clip = ClipFormat.of(frames[0], codec_peers.FPS)
    coders = {peer: PEERS[peer].start(clip, value, 250, threads) for peer, value in crf.items()}
    clocks, unclocked = Clocks(), Clocks()
    for number, frame in enumerate(frames):
        # Every coder in turn on every frame, so that a busy moment affects all of them.
        into = clocks if number >= _WARM_FRAMES else unclocked
        for effort, encoder in encoders.items():
            if number % _KEY_EVERY == _WARM_FRAMES:
                encoder.request_keyframe()
            packet, wall_s, cpu_s = clocks.time(lambda e=encoder, f=frame: e.encode(f))
            kind = "key" if unpack(packet).header.kind is Kind.KEY else "predicted"
            into.add(_stage(effort, kind), wall_s, cpu_s)
            if effort == "default":
                into.timed(f"decode {kind}", lambda p=packet: decoder.decode(p))
        packet = into.timed("jpeg encode", lambda f=frame: jpeg_encode(f, quality))
        into.timed("jpeg decode", lambda p=packet: codec_peers.decode_file(p))
        for peer, coder in coders.items():
            (packet,) = into.timed(f"{peer} encode", lambda c=coder, f=frame: c.encode(f))
            into.timed(f"{peer} decode", lambda c=coder, p=packet: c.decode(p))
    return clocks.summary()


def _stage(effort: str, kind: str) -> str:
    """Return the name of the clock of an encoder; the default effort has the short one."""
    return f"encode {kind}" if effort == "default" else f"encode {kind}, effort={effort}"


def two_threads_gain() -> float:
    """Return the speed-up of plain work on two threads: at most 2, about 1 on a busy machine."""
    block = bytes(1 << 24)
    work = [lambda: hashlib.sha256(block).digest()] * 4  # hashing releases the GIL
    gains = []
    for _ in range(5):
        start = time.perf_counter()
        for task in work:
            task()
        middle = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(task) for task in work]:
                future.result()
        gains.append((middle - start) / (time.perf_counter() - middle))
    return round(float(np.median(gains)), 2)


def speed(
    tested: Tested,
    data: Path | None,
    frames: int,
    sizes: Sequence[tuple[int, int]] = SIZES,
    threads: Sequence[int] = (1, 2),
) -> dict[str, Any]:
    """Time of every stage at every size in every scene."""
    results: dict[str, Any] = {}
    gains = [two_threads_gain()]
    scenes = [(scene, *size) for size in sizes for scene in SCENES]
    if SIZES[-1] in sizes:
        scenes += [(scene, *SENSOR) for scene in SENSOR_SCENES]
    for scene, width, height in scenes:
        pictures = codec_pictures.scene(scene, data, frames, width, height)
        name = f"{width}x{height} {scene}"
        results[name] = _scene(tested, pictures, threads)
        for count, stages in results[name]["threads"].items():
            shown = ", ".join(
                f"{stage} {stages[stage]['p50_ms']:.1f} ms"
                for stage in (*_STAGES, "h264 encode")
                if stages.get(stage)
            )
            say(f"speed {name}, {count} threads: {shown}")
    gains.append(two_threads_gain())
    return {
        "quality": QUALITY,
        "frames": frames,
        "two_threads_gain": gains,
        "scenes": results,
    }


def memory(tested: Tested, data: Path | None) -> dict[str, Any]:
    """Peak memory of a process that encodes 1080p, over one that only imports the libraries."""

    def run(*arguments: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", *arguments],
            check=True, capture_output=True, text=True,
            env=_child_environment(),
        )  # fmt: skip
        return int(done.stdout)

    frames = codec_pictures.scene("moving", data, _MEMORY_FRAMES, 1920, 1080)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.bgr"
        path.write_bytes(b"".join(np.ascontiguousarray(f).tobytes() for f in frames))
        arguments = (_ENCODER, str(path), tested.name, repr(_options(tested, 2)))
        encoder_kib = run(*arguments)
    bare_kib = run(_BARE)
    say(f"memory: {(encoder_kib - bare_kib) / 1e3:.0f} MB over {bare_kib / 1e3:.0f} MB")
    return {
        "bare_mb": round(bare_kib * 1.024e-3, 1),
        "encoder_mb": round(encoder_kib * 1.024e-3, 1),
        "over_mb": round((encoder_kib - bare_kib) * 1.024e-3, 1),
    }


def _child_environment() -> dict[str, str]:
    """Return an environment in which a child finds the modules of this process."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def rows(results: Mapping[str, Any], memory_mb: float) -> list[Row]:
    """Return times of every scene at every size, the ratios to the peers, and the memory."""
    found = []
    for name, scene in results["scenes"].items():
        size, kind = name.split()
        largest = name.startswith(("1920x1080", "2448x2048"))
        for threads, clocks in scene["threads"].items():
            at = f"{size.replace('x', ' x ')}, {kind}, {threads} threads"
            for stage in _STAGES:
                if clock := clocks.get(stage):
                    most = _BARS_MS.get((kind, stage)) if largest and threads == "2" else None
                    bar = None if most is None else at_most(most)
                    found.append(Row(f"{at}: {stage}", clock["p50_ms"], "ms", bar))
            if clock := clocks.get("h264 encode"):
                found.append(Row(f"{at}: x264 veryfast, encode", clock["p50_ms"], "ms"))
            against = largest and threads == "2" and kind in ("static", "moving")
            found += _against(at, clocks, bar=against)
    found.append(
        Row("memory of an encoder of 1920 x 1080 over its libraries", memory_mb, "MB", at_most(250))
    )
    return found


CPU_BARS: Final = {"fast": 1.0, "default": 1.5, "best": 5.0}
"""Most processor time of a predicted frame at each effort, of x264 veryfast."""


def _against(at: str, clocks: Mapping[str, Any], bar: bool) -> list[Row]:
    """Return processor time of a predicted frame over that of the peers, all threads together."""
    found = []
    for effort, most in CPU_BARS.items():
        ours = clocks.get(_stage(effort, "predicted"))
        for stage, peer in (
            ("jpeg encode", "JPEG"),
            ("h264-ultrafast encode", "x264 ultrafast"),
            ("h264 encode", "x264 veryfast"),
        ):
            # JPEG and ultrafast say nothing more of the other efforts.
            if effort != "default" and stage != "h264 encode":
                continue
            if ours and (theirs := clocks.get(stage)):
                ratio = ours["cpu_p50_ms"] / theirs["cpu_p50_ms"]
                limit = at_most(most) if bar and stage == "h264 encode" else None
                what = f"{at}: processor time at effort={effort}, of {peer}"
                found.append(Row(what, peer=peer, ratio=ratio, bar=limit))
    return found


def main() -> int:
    """Measure every scene at every size and write the record."""
    parser = option_parser(__doc__, data=True)
    parser.add_argument("--codec", default="svd-patch", help="codec under test")
    options = parser.parse_args()
    tested = Tested(options.codec)
    sizes, threads = (SIZES[-1:], (2,)) if options.quick else (SIZES, (1, 2))
    results = speed(tested, options.data, 15 if options.quick else 40, sizes, threads)
    before, after = results["two_threads_gain"]
    record = Record(
        "codec-speed",
        "Time and memory of the default codec",
        f"Codec {tested.name} at quality {QUALITY}, medians; peers at the same PSNR. *static* is"
        " one frame again and again, *moving* a clip of a fixed camera (with DIR: scaled to the"
        " size), *noisy* the conveyor with noise of sigma 2, *sensor* the same in grey, *standing*"
        " the same where nothing moves. Bars in ms are those of a machine on which x264 veryfast"
        " codes a moving frame on one thread in 12 ms. Two threads of plain work were"
        f" {before:g} (before) and {after:g} times (after) as fast as one.",
        rounded(rows(results, memory(tested, options.data)["over_mb"])),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
