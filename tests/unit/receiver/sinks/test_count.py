"""The count sink."""

from __future__ import annotations

import numpy as np

from rankcast.frame import Coding, Frame
from rankcast_receiver.sinks import Sink
from rankcast_receiver.sinks.count import CountSink


def test_count_counts_frames_and_packet_bytes_and_never_stops_the_receiver() -> None:
    sink: Sink = CountSink()
    pixels = np.zeros((2, 3), np.uint8)
    sink.put(Frame(pixels, coding=Coding("raw", packet_bytes=100)))
    sink.put(Frame(pixels, coding=Coding("raw", packet_bytes=20)))
    assert sink.put(Frame(pixels))
    assert isinstance(sink, CountSink)
    assert (sink.name, sink.frames, sink.packet_bytes) == ("count", 3, 120)
    assert sink.idle()
    sink.close()
    sink.close()
