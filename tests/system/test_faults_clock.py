"""Row 29 of the fault matrix: the clock of one end is stepped by an hour while frames come.

libfaketime lies to one process about the time of day; the monotonic clock stays true, as it does
when an administrator or NTP steps a clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from processes import rankcast
from viewers import Viewer, check_all_arrived_or_counted, check_received, sending

Figure = Callable[[str], None]
FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def library() -> Path:
    """The library that lies, or a visible skip."""
    for folder in map(Path, FOLDERS):
        for pattern in ("faketime/libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1"):
            for found in folder.glob(pattern):
                return found
    pytest.skip("no libfaketime on this machine")


@pytest.mark.slow
@pytest.mark.parametrize("stepped", ["sender", "receiver"])
def test_row_29_a_clock_that_is_stepped_costs_no_frame_and_no_connection(
    tmp_path: Path, figure: Figure, stepped: str
) -> None:
    offset, report = tmp_path / "offset", tmp_path / "received.json"
    offset.write_text("+0\n")
    lie = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        # Otherwise it takes the monotonic time-outs of condition variables for times of day. They
        # have passed long ago, so whoever waits spins, and Python never hands its lock on.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    with (
        sending(
            tmp_path, "--wait-viewers", "2", **(lie if stepped == "sender" else {})
        ) as sender,
        rankcast("receive", "--connect", sender.address, "--set", "stream.mode=keep", "--report",
                 str(report), **(lie if stepped == "receiver" else {})) as receiver,
        Viewer(sender.address, live=False) as viewer,
    ):  # fmt: skip
        receiver.wait_line("fps")
        for step in ("+3600", "-3600", "+0"):
            offset.write_text(f"{step}\n")
            liar = sender.process if stepped == "sender" else receiver
            # Each line of the log begins with the hour: the lie is believed.
            liar.wait_match(f"^{time.strftime('%H', time.localtime(time.time() + int(step)))}:")
            viewer.wait_more(30)
        sender.stop()
        check_all_arrived_or_counted(viewer.finish(), sender.report())
        assert receiver.wait() == 0, receiver.lines
        assert viewer.subscriber.balance().lost == {}
        assert viewer.subscriber.reconnects == 0
    received = check_received(report)
    figure(f"{stepped} stepped: latency {received['latency_ms']}, lost {received['lost']}")
    assert received["lost"] == {}
    assert received["reconnects"] == 0
    # Both ends share the monotonic clock of this machine, which nobody stepped.
    assert 0 <= received["latency_ms"]["p99"] < 10_000
    assert received["age_ms"]["max"] < 10_000
