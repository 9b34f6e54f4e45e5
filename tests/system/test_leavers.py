"""Connections that come and go: libzmq searches the topics of all whenever one of them ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.flooder import flooding
from support.keyed_station import KeyedStation
from support.processes import rankcast_environment
from support.starvation import Starvation
from support.viewers import Viewer, port_of, sending

SECONDS = 15.0
FPS = 30
STALL_S = 6.0
"""The stream may stop once, until its sender has noticed; a viewer connects again after 2.5 s."""
ANSWER = "come and go so often"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        pytest.param("leavers", (), marks=pytest.mark.slow),
        pytest.param("leavers", ("mallory",), marks=pytest.mark.slow),
        ("leavers", ("eve", "mallory")),
        pytest.param("cycles", (), marks=pytest.mark.slow),
        pytest.param("cycles", ("mallory",), marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else " and ".join(value) or "open",
)
def test_a_peer_that_comes_and_goes_while_there_are_many_topics_stops_the_stream_once_at_most(
    tmp_path: Path, figure: Callable[[str], None], names: tuple[str, ...], kind: str
) -> None:
    keys: list[str] = []
    with ExitStack() as stack:
        if names:
            station = KeyedStation(tmp_path)
            for name in ("viewer", *names):
                station.make(name)
            for name in names:
                (curve,) = station.curves(name)
                parts = (curve.secret, curve.public, curve.server_public)
                keys += [part.decode() for part in parts]
            sender = stack.enter_context(station.sending())
            viewer = stack.enter_context(Viewer(sender.address, curves=station.curves("viewer")))
        else:
            sender = stack.enter_context(sending(tmp_path, "--codec", "jpeg"))
            viewer = stack.enter_context(Viewer(sender.address))
        viewer.wait_more(FPS)
        starved = Starvation(sender.pid, os.getpid())
        before, began_s = len(viewer.seen), time.monotonic()
        port = port_of(sender.address)[1]
        with flooding(port, kind, SECONDS, tuple(keys), **rankcast_environment()) as flooder:
            done = int(flooder.communicate()[0])
        passed_s, starved_s = time.monotonic() - began_s, starved.seconds()
        frames = len(viewer.seen) - before
        figure(f"{done} came and went, {frames} frames in {passed_s:.1f} s, {starved_s:.2f} s "
               "without a processor")  # fmt: skip
        assert done >= 20, "hardly anybody came"
        assert frames >= FPS * (passed_s - starved_s - STALL_S)
        sender.process.wait_match(ANSWER)
        assert viewer.subscriber.reconnects <= 1
        viewer.wait_more(FPS)
