"""Writes golden recordings that are not there yet: `python tests/golden/recordings/make.py`.

A recording decodes for ever: files are added here, when the format gets something new, and never
written again. NAME.json states what is in NAME.mcap: its messages, and the CRC-32 of every picture.
NAME_killed.mcap is the same without its end, and with a message that was torn.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

import rankcast  # noqa: E402
from rankcast.frame import Frame  # noqa: E402
from rankcast.recordings import RecorderClock, RecordingReader, RecordingWriter  # noqa: E402
from support.moving_scene import scene  # noqa: E402

HERE = Path(__file__).resolve().parent
UTC_NS = 1_795_179_415_123_456_789


class Clock:
    """Time of the recorder: 10 ms pass with each message."""

    def __init__(self) -> None:
        self.now_ns = 10**9

    def mono_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return UTC_NS + self.now_ns


def messages_in(path: Path) -> list[list[Any]]:
    """Return camera, kind, sequence, both times and the CRC-32 of every message."""
    with RecordingReader(path) as reader:
        return [
            [one.camera, one.kind, one.sequence, one.t_recorded_ns, one.t_capture_ns,
             zlib.crc32(one.data)]
            for one in reader
        ]  # fmt: skip


def pictures_in(path: Path) -> list[list[Any]]:
    """Return camera, sequence, shape, dtype, metadata and the CRC-32 of every picture."""
    with rankcast.Recording(path) as recording:
        return [
            [one.camera, one.sequence, list(one.pixels.shape), str(one.pixels.dtype),
             dict(one.meta), zlib.crc32(one.pixels.tobytes())]
            for one in recording
        ]  # fmt: skip


def write(path: Path) -> None:
    """Record two cameras with status, ledger and a reference packet."""
    clock = Clock()
    predicted, exact = rankcast.Encoder("svd-patch"), rankcast.Encoder("lossless")
    decoder = rankcast.Decoder()
    status = (TESTS / "golden" / "status.rkc").read_bytes()
    end = (TESTS / "golden" / "end.rkc").read_bytes()
    with RecordingWriter(path, clock=RecorderClock(clock.utc_ns, clock.mono_ns)) as writer:
        for number in range(6):
            time = {"t_capture_mono_ns": 7 * 10**9 + number * 10**8,
                    "t_capture_utc_ns": UTC_NS + number * 10**8}  # fmt: skip
            if number == 4:
                predicted.request_keyframe()
            colour = Frame(scene(number, (24, 40, 3)), number, **time)
            deep = Frame(scene(number, (16, 24), "uint16") >> 4, number, significant_bits=12,
                         meta={"serial": f"A{number}"}, **time)  # fmt: skip
            for camera, packet in (
                ("line3", predicted.encode(colour)), ("deep-2", exact.encode(deep)),
            ):  # fmt: skip
                clock.now_ns += 10**7
                writer.write(camera, packet)
                if camera == "line3":
                    decoder.decode(packet)
            if number == 2:
                writer.write("line3", decoder.reference_packet())
            if number == 3:
                writer.write("line3", status)
        writer.lose("line3", "sink", 2)
        writer.write("line3", end)


def main() -> None:
    """Write what is missing."""
    path = HERE / "version_2.mcap"
    if path.exists():
        return
    write(path)
    facts = {"messages": messages_in(path), "pictures": pictures_in(path)}
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    with RecordingReader(path) as reader:
        last = [one.offset for one in reader][-1]
    path.with_name("version_2_killed.mcap").write_bytes(path.read_bytes()[: last + 60])


if __name__ == "__main__":
    main()
