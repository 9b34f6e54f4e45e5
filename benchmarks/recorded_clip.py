"""The recording that benchmarks replay, so that nothing is encoded while they measure."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rankcast import Encoder
from rankcast.frame import Frame
from rankcast.recordings import RecordingWriter
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource


def record_clip(path: Path, fps: int, frames: int, quality: int | None = None) -> float:
    """Record a synthetic conveyor of 1280 x 720 with `svd-patch` as camera cam.

    Returns
    -------
    float
        Mean size of a packet, in bytes.
    """
    encoder = Encoder("svd-patch", **({} if quality is None else {"quality": quality}))
    source = ConveyorSource("conveyor", ConveyorOptions(width=1280, height=720, fps=fps))
    total_bytes = 0
    with RecordingWriter(path) as writer:
        for frame in islice(source, frames):
            # A replay keeps the spacing of the capture times.
            t_ns = 10**18 + frame.frame * 10**9 // fps
            packet = encoder.encode(
                Frame(frame.pixels, t_capture_mono_ns=t_ns, t_capture_utc_ns=t_ns)
            )
            total_bytes += len(packet)
            writer.write("cam", packet)
    return total_bytes / frames
