"""The start: time to the first decoded picture and to the first frame, memory of a sender.

    python benchmarks/startup.py [--quick] [--output FILE.json]

Every run is a fresh Python process. Processes that import numpy alone take turns with those that
decode, so that a busy moment affects both.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from command_line import finish, option_parser
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, rounded

import rankcast

MAX_DECODE_S: Final = 0.1
MAX_FIRST_FRAME_S: Final = 1.0
MAX_RESIDENT_MB: Final = 200.0
SOURCE: Final = "synthetic:conveyor?width=1280&height=720&fps=20"
FRAMES_SENT: Final = 60
"""Frames after which the memory of a sender no longer grows."""

_NUMPY: Final = ("-c", "import numpy")
_DECODE: Final = """
import sys
import rankcast
with open(sys.argv[1], "rb") as file:
    rankcast.Decoder().decode(file.read())
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took from its start to its end."""

    wall_s: float
    processor_s: float


def run(arguments: Sequence[str]) -> Run:
    """Run Python once, and wait for its end."""
    began_s, used_s = time.perf_counter(), _used_by_children_s()
    subprocess.run([sys.executable, *arguments], check=True, stderr=subprocess.DEVNULL)
    return Run(time.perf_counter() - began_s, _used_by_children_s() - used_s)


def _used_by_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median_runs(commands: Mapping[str, Sequence[str]], tries: int) -> dict[str, Run]:
    """Return the medians of `tries` runs of each command, in turn; a first one fills the caches."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for attempt in range(tries + 1):
        for name, arguments in commands.items():
            found = run(arguments)
            if attempt:
                runs[name].append(found)
    return {
        name: Run(
            statistics.median(one.wall_s for one in found),
            statistics.median(one.processor_s for one in found),
        )
        for name, found in runs.items()
    }


def decoding(tries: int) -> dict[str, Run]:
    """Measure a process that decodes one packet, in colour and in grey, beside numpy alone."""
    slope = np.linspace(0, 255, 128 * 96).reshape(96, 128).astype(np.uint8)
    pictures = {"colour": np.dstack([slope, slope[::-1], slope[:, ::-1]]), "grey": slope}
    with tempfile.TemporaryDirectory() as folder:
        commands: dict[str, Sequence[str]] = {"numpy": _NUMPY}
        for name, pixels in pictures.items():
            file = Path(folder) / f"{name}.rkc"
            file.write_bytes(rankcast.Encoder().encode(pixels))
            commands[name] = ("-c", _DECODE, str(file))
        return median_runs(commands, tries)


def streaming(tries: int) -> dict[str, Any]:
    """Measure `rankcast receive` to its end after one frame, and the memory of its sender."""
    address = free_address()
    with child(*sender(address, SOURCE)) as station:
        run(("-m", *receiver(address, "--frames", str(FRAMES_SENT), "--timeout", "60")))
        first = ("-m", "rankcast", "receive", "--connect", address, "--frames", "1")
        receiving = median_runs({"receive": first}, tries)["receive"]
        return {"receive": receiving, "memory_mb": memory_mb(station.pid)}


def memory_mb(pid: int) -> dict[str, float]:
    """Return the resident memory of a process and its parts."""
    wanted = {"VmRSS:": "resident", "RssAnon:": "own", "RssFile:": "libraries"}
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    fields = (line.split() for line in status.splitlines())
    return {wanted[parts[0]]: int(parts[1]) * 1.024e-3 for parts in fields if parts[0] in wanted}


def rows(measured: Mapping[str, Any]) -> list[Row]:
    """Return the figures of one run of `measure`."""
    numpy, colour, grey = (measured[name] for name in ("numpy", "colour", "grey"))
    receiving, memory = measured["receive"], measured["memory_mb"]
    return [
        Row("`import numpy` alone", numpy.wall_s, "s"),
        Row("`import rankcast` and the first decode, beyond numpy", colour.wall_s - numpy.wall_s,
            "s", at_most(MAX_DECODE_S)),
        Row("the same in processor time", colour.processor_s - numpy.processor_s, "s"),
        Row("the same for a grey picture, which needs no OpenCV", grey.wall_s - numpy.wall_s, "s"),
        Row("the same for a grey picture in processor time",
            grey.processor_s - numpy.processor_s, "s"),
        Row("`rankcast receive` from its start to its end after one frame", receiving.wall_s, "s",
            at_most(MAX_FIRST_FRAME_S)),
        Row("the same receiver in processor time", receiving.processor_s, "s"),
        Row("resident memory of a sender of 1280 x 720", memory["resident"], "MB",
            at_most(MAX_RESIDENT_MB)),
        Row("of this the sender's own", memory["own"], "MB"),
        Row("of this files of libraries", memory["libraries"], "MB"),
    ]  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Run everything once."""
    tries = 3 if quick else 15
    return {**decoding(tries), **streaming(tries)}


def main() -> int:
    """Measure and write the record."""
    options = option_parser(__doc__).parse_args()
    # Where it is set, every process would compile every module again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    record = Record(
        "startup",
        "The start: first picture, first frame, memory of a sender",
        "Medians of fresh processes. A packet of svd-patch, 128 x 96, is decoded right after the"
        " import; the receiver joins a running sender of 1280 x 720 at 20 fps over loopback, whose"
        " memory is read after 60 frames and more.",
        rounded(rows(measure(options.quick)), 3),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
