"""A sender whose bit rate follows the link to its viewer, through a proxy that narrows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankcast.runtime import NETWORK_GAP
from support.faultproxy import FaultProxy
from support.faults import Faults
from support.viewers import Viewer, joined, sending

SOURCE = "synthetic:conveyor?width=320&height=240&fps=20"
SET, LOWEST = 1_000_000, 100_000
NARROW_BYTES_S = 40_000
"""A third of what the stream needs."""
RATES = (
    "--set", f"codec.bitrate={SET}", "--set", f"codec.min_bitrate={LOWEST}",
    "--set", "network.buffer_bytes=16384",
)  # fmt: skip
NARROW = Faults(bytes_per_s=NARROW_BYTES_S)


def rate_of(viewer: Viewer) -> int:
    """Return the bit rate in force, as the status of the sender tells it."""
    status = viewer.subscriber.streams["cam"].status
    value = 0 if status is None else status.settings.get("bitrate_now")
    assert isinstance(value, int)
    return value


def gaps_of(viewer: Viewer) -> int:
    return viewer.subscriber.balance().lost.get(NETWORK_GAP, 0)


@pytest.mark.slow
def test_a_link_that_narrows_lowers_the_bit_rate(tmp_path: Path) -> None:
    with (
        sending(tmp_path, *RATES, source=SOURCE) as sender,
        FaultProxy(sender.address, buffer_bytes=16_384) as proxy,
        joined(proxy.address, buffer_bytes=16_384) as viewer,
    ):
        viewer.wait_for(lambda _: rate_of(viewer) == SET)
        proxy.set(NARROW)
        viewer.wait_for(lambda _: 0 < rate_of(viewer) <= SET / 2)
        assert rate_of(viewer) >= LOWEST
        line = sender.process.wait_line("cam: bit rate")
        assert "instead of 1: 100 % of the viewers lose frames or fall behind" in line
        sender.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_losses_stop_on_a_narrow_link_and_the_set_rate_returns_on_a_wide_one(
    tmp_path: Path,
) -> None:
    with (
        sending(tmp_path, *RATES, source=SOURCE) as sender,
        FaultProxy(sender.address, buffer_bytes=16_384) as proxy,
        joined(proxy.address, buffer_bytes=16_384) as viewer,
    ):
        viewer.wait_for(lambda _: rate_of(viewer) == SET)
        proxy.set(NARROW)
        viewer.wait_for(lambda _: 0 < rate_of(viewer) <= 8 * NARROW_BYTES_S, 60)
        viewer.wait_for(lambda seen: seen[-1].age_ms < 500, 60)
        before = gaps_of(viewer)
        viewer.wait_more(100)
        assert gaps_of(viewer) - before <= 5
        assert viewer.subscriber.states[0].state.value == "live"
        proxy.set(Faults())
        viewer.wait_for(lambda _: rate_of(viewer) == SET, 200)
        viewer.wait_more(20)
        sender.stop()


@pytest.mark.slow
def test_one_narrow_link_of_three_changes_nothing(tmp_path: Path) -> None:
    with (
        sending(tmp_path, *RATES, source=SOURCE) as sender,
        FaultProxy(sender.address, NARROW, buffer_bytes=16_384) as proxy,
        joined(sender.address) as one,
        joined(sender.address) as other,
        joined(proxy.address, buffer_bytes=16_384) as narrow,
    ):
        narrow.wait_for(lambda _: gaps_of(narrow) > 40, 60)
        assert rate_of(one) == rate_of(other) == SET
        assert gaps_of(one) == gaps_of(other) == 0
        assert not any("bit rate" in line for line in sender.process.lines)
        sender.stop()
