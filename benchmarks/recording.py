"""Recordings: processor time of recording a frame, repair of 1 GB, and memory.

    python benchmarks/recording.py [--quick] [--output FILE.json]

Frames are 1280 x 720 with 3 channels of 8 bits. Recording, reading and repair run in processes of
their own, in a folder of the system's temporary directory that needs 3 GB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import codec_pictures
import psutil
from command_line import finish, option_parser, say
from record import Record, Row, at_most, rounded

import rankcast
from rankcast.recordings import (
    RecordingOptions,
    RecordingReader,
    RecordingWriter,
    repair_segment,
    survey_recording,
)

WIDTH: Final = 1280
HEIGHT: Final = 720
CODECS: Final = ("svd-patch", "lossless", "raw")
GROUP: Final = 60
FRAMES: Final = 600
GIGABYTE: Final = 10**9
MEMORY_FRAMES: Final = 200_000


def packets_of(codec: str, count: int) -> list[bytes]:
    """Packets of a moving scene, with a key frame now and then."""
    pictures = codec_pictures.scene("moving", None, count, WIDTH, HEIGHT)
    encoder = rankcast.Encoder(codec)
    packets = []
    for number in range(count):
        if number % GROUP == 0:
            encoder.request_keyframe()
        packets.append(encoder.encode(pictures[number % len(pictures)]))
    return packets


def in_process(task: str, *arguments: object) -> dict[str, Any]:
    """Run a task of this file in another process and return what it measured."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, *map(str, arguments)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def record_frames(path: Path, packets: list[bytes], frames: int, segment_bytes: int) -> None:
    """Record packets in turn."""
    with RecordingWriter(path, RecordingOptions(segment_bytes=segment_bytes)) as writer:
        for number in range(frames):
            writer.write("cam", packets[number % len(packets)])


def measure_record(folder: Path, codec: str, frames: int) -> dict[str, Any]:
    """Processor time of a recorded frame, its thread for the disk included."""
    packets = packets_of(codec, GROUP)
    record_frames(folder / "warm.mcap", packets, GROUP, 1 << 40)
    before_s = time.process_time()
    record_frames(folder / "timed.mcap", packets, frames, 512 * 1024 * 1024)
    cpu_s = time.process_time() - before_s
    return {"ms": 1000 * cpu_s / frames, "packet_bytes": sum(map(len, packets)) / len(packets)}


def write_gigabyte(path: Path, size: int) -> dict[str, Any]:
    """Write one segment of a killed recorder, damaged in ten places."""
    packets = packets_of("svd-patch", GROUP)
    with RecordingWriter(path, RecordingOptions(segment_bytes=1 << 40, segment_s=1e9)) as writer:
        frames = 0
        while writer.open_bytes < size:
            writer.write("cam", packets[frames % len(packets)])
            frames += 1
        end = writer.open_bytes
    os.truncate(path, end - 100)
    with path.open("r+b") as file:
        for number in range(1, 11):
            file.seek(number * size // 12)
            file.write(bytes(64))
    return {"frames": frames}


def measure_repair(path: Path) -> dict[str, Any]:
    """Time of reading and of repairing a segment, and the most memory that it took."""
    start, start_cpu = time.perf_counter(), time.process_time()
    frames = survey_recording(path).frames
    read_s = time.perf_counter() - start
    read_cpu_s = time.process_time() - start_cpu
    start, start_cpu = time.perf_counter(), time.process_time()
    report = repair_segment(path)
    return {
        "read_s": read_s,
        "read_cpu_s": read_cpu_s,
        "repair_s": time.perf_counter() - start,
        "repair_cpu_s": time.process_time() - start_cpu,
        "frames": report.frames,
        "surveyed": frames,
        "peak_mb": peak_mb(),
    }


def measure_memory(folder: Path, frames: int) -> dict[str, Any]:
    """Growth of memory while frames are recorded and read, over ten segments and more."""
    packets = packets_of("svd-patch", GROUP)
    size = sum(map(len, packets)) // len(packets) * frames // 20
    path = folder / "long.mcap"
    process = psutil.Process()
    with RecordingWriter(path, RecordingOptions(segment_bytes=size)) as writer:
        for number in range(frames):
            if number == frames // 4:
                first = process.memory_info().rss
            writer.write("cam", packets[number % len(packets)])
        grown = process.memory_info().rss - first
    with RecordingReader(path) as reader:
        read = 0
        for number, message in enumerate(reader):
            if number == frames // 4:
                first = process.memory_info().rss
            read += message.kind == "frames"
        read_grown = process.memory_info().rss - first
    assert read == frames
    return {"write_mb": grown / 1e6, "read_mb": read_grown / 1e6}


def peak_mb() -> float:
    """Most memory of this process so far; only Linux and macOS tell."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(*, quick: bool) -> list[Row]:
    """Measure everything."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for codec in CODECS:
            say(f"recording {codec}")
            part = folder / codec
            part.mkdir()
            frames = 120 if quick or codec == "raw" else FRAMES
            one = in_process("record", part, codec, frames)
            found.append(
                Row(f"processor time of a recorded frame, {codec}", one["ms"], "ms",
                    at_most(1.5) if codec != "raw" else None)
            )  # fmt: skip
            found.append(Row(f"packet, {codec}", one["packet_bytes"] / 1000, "kB"))
            for file in part.iterdir():
                file.unlink()
        say("repairing")
        size = GIGABYTE // 20 if quick else GIGABYTE
        path = folder / "big.mcap"
        written = in_process("write", path, size)
        one = in_process("repair", path)
        assert one["frames"] >= written["frames"] - 30, one
        scale = GIGABYTE / size
        found += [
            Row("repair of 1 GB damaged in ten places", scale * one["repair_s"], "s", at_most(10)),
            Row("processor time of that repair", scale * one["repair_cpu_s"], "s", at_most(10)),
            Row("reading 1 GB with all checks (rankcast info)", scale * one["read_s"], "s"),
            Row("processor time of that reading", scale * one["read_cpu_s"], "s"),
            Row("frames lost by ten holes of 64 bytes", written["frames"] - one["frames"]),
            Row("most memory of the repair", one["peak_mb"], "MB"),
        ]
        say("memory")
        frames = MEMORY_FRAMES // 10 if quick else MEMORY_FRAMES
        one = in_process("memory", folder, frames)
        found += [
            Row("growth of memory while recording", one["write_mb"], "MB", at_most(2)),
            Row("growth of memory while reading", one["read_mb"], "MB", at_most(2)),
        ]
    return found


def main() -> int:
    """Measure and report."""
    if sys.argv[1:2] == ["--task"]:
        task, path, *rest = sys.argv[2:]
        tasks = {
            "record": lambda: measure_record(Path(path), rest[0], int(rest[1])),
            "write": lambda: write_gigabyte(Path(path), int(rest[0])),
            "repair": lambda: measure_repair(Path(path)),
            "memory": lambda: measure_memory(Path(path), int(rest[0])),
        }
        print(json.dumps(tasks[task]()))
        return 0
    arguments = option_parser(__doc__).parse_args()
    record = Record(
        name="recording",
        title="Recordings",
        about=(
            "Packets of 1280 x 720 in colour into MCAP files and back. Time is that of the "
            "processor, in all threads of the recorder; repair and reading are elapsed time."
        ),
        rows=rounded(rows(quick=arguments.quick)),
        quick=arguments.quick,
    )
    return finish(record, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
