"""StreamFigures: totals of a stream, and the figures of its last status interval."""

from __future__ import annotations

import pytest

from rankcast.encoder import Encoder
from rankcast_sender.camera.stream_figures import RATE_INTERVAL_S, StreamFigures
from support.clock import Clock
from support.fakes import picture


def test_rates_cover_the_time_since_the_last_status_and_not_less_than_the_interval() -> None:
    clock = Clock()
    figures, encoder = StreamFigures(now_s=clock), Encoder("svd", rank=0.5)
    packets = [encoder.encode_packet(picture(value)) for value in range(3)]
    figures.add(len(packets[0].data), packets[0].header)
    clock.advance(2.0)
    first = figures.recent(published=10)
    assert first.fps == pytest.approx(5.0)
    assert "rank" in first.fidelity
    clock.advance(RATE_INTERVAL_S / 2)
    assert figures.recent(published=20) is first, "a status for a viewer that joins now"
    clock.advance(RATE_INTERVAL_S / 2)
    assert figures.recent(published=20).fps == pytest.approx(10 / RATE_INTERVAL_S)
    assert figures.recent(published=20).fidelity == first.fidelity, "no packet since"
    figures.add(len(packets[1].data), packets[1].header)
    assert figures.packet_bytes == len(packets[0].data) + len(packets[1].data)
    assert figures.fidelity.frames == 2
