"""CameraBoard: describes the cameras of the receiver, as docs/web.md has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.codec import CODECS_BY_NAME
from rankcast.wire import Status
from rankcast_receiver.clock import MOST_ERROR_NS, Latency
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream import CameraStream, PictureFacts
from rankcast_receiver.web.json_text import plain
from rankcast_receiver.web.receiver_view import ReceiverView

LATENCY_S: Final = 5.0
"""Without a picture for this long, and stale, a camera has no latency."""


class Rates(Protocol):
    """What came of a camera within the last second."""

    @property
    def fps(self) -> float:
        """Pictures."""

    @property
    def bits_s(self) -> float:
        """Bits."""

    @property
    def frame_bytes(self) -> float | None:
        """Mean size of a packet; None without one."""


RatesOf = Callable[[str, float], Rates | None]


class CameraBoard:
    """Describes cameras by their states and streams, whether their pictures are decoded or not.

    Parameters
    ----------
    view : ReceiverView
    """

    def __init__(self, view: ReceiverView) -> None:
        self._view = view

    def summary(self) -> Sequence[tuple[str, State, str]]:
        """Return what pages are to know at once when it changes."""
        return [(name_of(state), state.state, state.detail) for state in self._view.states()]

    def state(self, name: str) -> CameraState | None:
        """Return the state of a camera; None if there is none of this name."""
        return next((state for state in self._view.states() if name_of(state) == name), None)

    def cameras(self, rates: RatesOf) -> list[dict[str, Any]]:
        """Describe all cameras."""
        streams, now_s = self._view.streams(), boot_s()
        return [self._camera(state, streams, rates, now_s) for state in self._view.states()]

    def camera(self, name: str, rates: RatesOf) -> dict[str, Any] | None:
        """Describe one camera; None if there is none of this name."""
        state = self.state(name)
        if state is None:
            return None
        return self._camera(state, self._view.streams(), rates, boot_s())

    def _camera(
        self,
        state: CameraState,
        streams: Mapping[str, CameraStream],
        rates: RatesOf,
        now_s: float,
    ) -> dict[str, Any]:
        name = name_of(state)
        stream = streams.get(name)
        newest = None if stream is None else stream.newest
        came = rates(name, now_s)
        balance = None if stream is None else stream.ledger.balance()
        latency = None if stream is None else _latency(stream, state, now_s)
        in_pages = newest is None or CODECS_BY_NAME[newest.coding.codec].in_pages
        return {
            "name": name,
            "state": state.state.value,
            "words": state.state.words,
            "detail": state.detail,
            "live": state.state is State.LIVE,
            "stale_after_s": plain(state.stale_after_s),
            "stream": None if newest is None else _stream(newest),
            "decodes": "page" if in_pages else "server",
            "decoding": stream is not None and stream.decoding,
            "clock": _clock(newest, 1.0 if stream is None else stream.replay_speed),
            "age_ms": _age_ms(newest),
            "fps": came.fps if came else 0.0,
            "bits_s": came.bits_s if came else 0.0,
            "frame_bytes": came.frame_bytes if came else None,
            "latency_ms": None if latency is None else {"p50": latency.p50, "p99": latency.p99},
            "received": balance.passed if balance else 0,
            "lost": dict(sorted(balance.lost.items())) if balance else {},
            "sender": _sender(None if stream is None else stream.status),
            "meta": {} if newest is None else dict(newest.meta),
        }


def name_of(state: CameraState) -> str:
    """Return the name of a camera here; before any is known, the address of its sender."""
    return state.camera or state.endpoint.removeprefix("tcp://")


def _stream(newest: PictureFacts) -> dict[str, Any]:
    coding, shape = newest.coding, newest.shape
    return {
        "id": newest.stream_id.hex(),
        "name": newest.stream,
        "codec": coding.codec,
        "shape": [*shape, 1] if len(shape) == 2 else list(shape),
        "dtype": newest.dtype,
        "significant_bits": newest.significant_bits,
        "cfa": newest.cfa,
        "psnr_db": coding.psnr_db,
        "energy": coding.energy,
        "rank": list(coding.rank),
    }


def _clock(newest: PictureFacts | None, speed: float) -> dict[str, Any] | None:
    if newest is None or newest.t_capture_here_ns is None or newest.clock_error_ns > MOST_ERROR_NS:
        return None
    return {
        "t_mono_ns": newest.t_capture_mono_ns,
        "here_ms": newest.t_capture_here_ns / 1e6,
        "speed": speed,
        "error_ms": newest.clock_error_ns / 1e6,
    }


def _age_ms(newest: PictureFacts | None) -> float | None:
    if newest is None or newest.t_capture_here_ns is None:
        return None
    return max(0.0, (boot_ns() - newest.t_capture_here_ns) / 1e6)


def _latency(stream: CameraStream, state: CameraState, now_s: float) -> Latency | None:
    slow_s = state.stale_after_s if math.isfinite(state.stale_after_s) else 0.0
    if stream.frame_s is None or now_s - stream.frame_s > max(LATENCY_S, slow_s):
        return None
    return stream.latest_latencies.latency


def _sender(status: Status | None) -> dict[str, Any] | None:
    if status is None:
        return None
    said = status.as_map()
    names = (
        "fps", "codec", "settings", "camera", "viewers", "published", "lost", "control",
        "recorded", "events", "fidelity", "clock", "streams", "relay",
    )  # fmt: skip
    return {name: said[name] for name in names}
