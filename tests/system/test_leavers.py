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

SECONDS = 8.0
FPS = 30
STALL_S = 3.0
"""The stream may stop once, until its sender has noticed."""


@pytest.mark.parametrize("has_keys", [False, True], ids=["open", "keys"])
def test_a_peer_that_holds_many_topics_while_it_comes_and_goes_stops_the_stream_once_at_most(
    tmp_path: Path, figure: Callable[[str], None], has_keys: bool
) -> None:
    keys: tuple[str, ...] = ()
    with ExitStack() as stack:
        if has_keys:
            station = KeyedStation(tmp_path)
            station.make("viewer")
            station.make("mallory")
            (curve,) = station.curves("mallory")
            keys = (curve.secret.decode(), curve.public.decode(), curve.server_public.decode())
            sender = stack.enter_context(station.sending())
            viewer = stack.enter_context(Viewer(sender.address, curves=station.curves("viewer")))
        else:
            sender = stack.enter_context(sending(tmp_path, "--codec", "jpeg"))
            viewer = stack.enter_context(Viewer(sender.address))
        viewer.wait_more(FPS)
        starved = Starvation(sender.pid, os.getpid())
        before, began_s = len(viewer.seen), time.monotonic()
        port = port_of(sender.address)[1]
        with flooding(port, "leavers", SECONDS, keys, **rankcast_environment()) as flooder:
            done = int(flooder.communicate()[0])
        passed_s, starved_s = time.monotonic() - began_s, starved.seconds()
        frames = len(viewer.seen) - before
        figure(f"{done} came and went, {frames} frames in {passed_s:.1f} s, {starved_s:.2f} s "
               "without a processor")  # fmt: skip
        assert done > 0, "nobody came"
        assert frames >= FPS * (passed_s - starved_s - STALL_S)
        sender.process.wait_match("its connections end again and again|mallory is refused")
        assert viewer.subscriber.reconnects == 0
        viewer.wait_more(FPS)
