"""Trial: one coder at one setting over a whole clip, with bytes, quality, time and delay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.rate_distortion.coder import Coder
from rankcast.rate_distortion.meter import QualityMeter
from rankcast.rate_distortion.point import Point


@dataclass(frozen=True, slots=True)
class Trial:
    """Result of one coder at one setting."""

    point: Point
    frames: int
    delay_frames: int
    """Most frames that went in after a frame before it came out decoded; 0 for live coders."""
    encode_cpu_ms: float
    """Processor time of the encoder a frame, over all threads: median."""
    decode_cpu_ms: float
    encode_ms: float
    """Time of the encoder a frame: median."""
    decode_ms: float

    def delay_ms(self, fps: float) -> float:
        """Return the time from a grabbed to a decoded frame, without any network."""
        return 1e3 * self.delay_frames / fps + self.encode_ms + self.decode_ms


@dataclass(slots=True)
class _Clock:
    """Time and processor time of calls."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    _start: tuple[float, float] = (0.0, 0.0)

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._start
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(time.process_time() - cpu)


def run_trial(frames: Iterable[Pixels], coder: Coder, meter: QualityMeter, setting: str) -> Trial:
    """Encode and decode a clip frame by frame.

    Parameters
    ----------
    frames : iterable of ndarray
        Read one at a time; only those are held whose decoded pictures have not come out yet.
    coder : Coder
        Fresh: it has coded nothing.
    meter : QualityMeter
        Fresh as well.
    setting : str
        As tables show it.

    Raises
    ------
    UnsupportedImageError
        If the coder refuses the clip or loses a frame.
    """
    encoding, decoding = _Clock(), _Clock()
    held: deque[Pixels] = deque()
    size = header = count = delay = 0

    def compare(pictures: Sequence[Pixels]) -> None:
        for picture in pictures:
            meter.add(held.popleft(), picture)

    def take(packets: Sequence[bytes]) -> None:
        nonlocal size, header
        for packet in packets:
            found = coder.sizes(packet)
            size, header = size + found.size, header + found.header
            with decoding:
                pictures = coder.decode(packet)
            compare(pictures)

    for pixels in frames:
        held.append(pixels)
        count += 1
        with encoding:
            packets = coder.encode(pixels)
        take(packets)
        delay = max(delay, len(held))
    take(coder.finish())
    compare(coder.flush())
    if held or not count:
        raise UnsupportedImageError(f"{len(held)} of {count} frames came back, want all")
    return Trial(
        meter.point(setting, size, header),
        count,
        delay,
        *(1e3 * float(np.median(times)) for times in (
            encoding.cpu_s, decoding.cpu_s, encoding.wall_s, decoding.wall_s)),
    )  # fmt: skip
