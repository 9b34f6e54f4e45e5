"""A process that records packets and acknowledges each: `python recorder_process.py FILE PACKETS`.

PACKETS holds packets, each after its length. They are recorded again and again until the process is
killed; after each one its number goes to stdout, 4 bytes.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

from rankcast.recordings import RecordingOptions, RecordingWriter


def packets_in(data: bytes) -> list[bytes]:
    """Return the packets of a file, each of which follows its length."""
    packets, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        packets.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return packets


def main(path: Path, packets: list[bytes]) -> None:
    """Record until killed."""
    with RecordingWriter(path, RecordingOptions(segment_bytes=150_000)) as writer:
        for number in count():
            writer.write("cam", packets[number % len(packets)])
            os.write(1, number.to_bytes(4, "little"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), packets_in(Path(sys.argv[2]).read_bytes()))
