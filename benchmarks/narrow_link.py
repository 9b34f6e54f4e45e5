"""Age of pictures on a link that carries less than half of the stream, by queues and buffers.

    python benchmarks/narrow_link.py [--quick] [--output FILE.json]

A real sender and a real receiver with a proxy between them that carries 4 Mbit/s. Frames are raw
and of 40 kB at 30 fps, so that they need 9.6 Mbit/s. A run takes 20 s (6 s with ``--quick``).
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from command_line import finish, option_parser
from processes import child, free_address, receiver, sender
from record import REPOSITORY, Record, Row, rounded

# The proxy belongs to the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.faultproxy import FaultProxy
from support.faults import Faults

SOURCE: Final = "synthetic:conveyor?width=200&height=67&fps=30"
LINK_BYTES_PER_S: Final = 500_000
PROXY_BUFFER_BYTES: Final = 8192
"""Small, because data buffered in the proxy add to the age."""
QUEUES: Final = ((262_144, 4), (65_536, 4), (65_536, 1))
"""Buffer in bytes and queue in messages at both ends; the first pair is the default."""


def measure(seconds: float, buffer_bytes: int, queue_messages: int, folder: Path) -> dict[str, Any]:
    """Stream for `seconds` with one setting and return the report of the receiver."""
    network = (
        "--set", f"network.buffer_bytes={buffer_bytes}",
        "--set", f"network.queue_messages={queue_messages}",
    )  # fmt: skip
    address = free_address()
    received = folder / "received.json"
    with (
        child(*sender(address, SOURCE, "--codec", "raw", *network)),
        FaultProxy(
            address, Faults(bytes_per_s=LINK_BYTES_PER_S), buffer_bytes=PROXY_BUFFER_BYTES
        ) as proxy,
        child(*receiver(proxy.address, "--report", str(received), *network)) as viewer,
    ):
        until = time.monotonic() + 60
        while proxy.counters().bytes_to_client < LINK_BYTES_PER_S:
            if time.monotonic() > until:
                raise RuntimeError("no frames arrived within a minute")
            time.sleep(0.1)  # the sampling interval
        time.sleep(seconds)  # the run
        viewer.send_signal(signal.SIGTERM)
        viewer.wait(30)
    return json.loads(received.read_text())


def rows(buffer_bytes: int, queue_messages: int, report: dict[str, Any]) -> list[Row]:
    """Return the age with one setting."""
    messages = "1 message" if queue_messages == 1 else f"{queue_messages} messages"
    name = f"buffers of {buffer_bytes // 1024} KiB, queues of {messages}"
    return [
        Row(f"{name}: age, median", report["age_ms"]["p50"], "ms"),
        Row(f"{name}: age, 99th percentile", report["age_ms"]["p99"], "ms"),
    ]


def main() -> int:
    """Measure every setting and write the record."""
    options = option_parser(__doc__).parse_args()
    seconds = 6.0 if options.quick else 20.0
    found = []
    for buffer_bytes, queue_messages in QUEUES:
        with tempfile.TemporaryDirectory() as folder:
            report = measure(seconds, buffer_bytes, queue_messages, Path(folder))
        found += rows(buffer_bytes, queue_messages, report)
    record = Record(
        "narrow-link",
        "Age on a link that is too narrow",
        "Frames of 40 kB at 30 fps over 4 Mbit/s, less than half of what they need: the age of"
        " pictures when the sink takes them, by `network.buffer_bytes` and"
        " `network.queue_messages` at both ends.",
        rounded(found),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
