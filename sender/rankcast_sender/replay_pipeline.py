"""ReplayPipeline: one thread publishes the packets of a recording, with their spacing of then."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from rankcast.boot_clock import boot_ns
from rankcast.codec import CODECS
from rankcast.errors import RankcastError
from rankcast.runtime import NOBODY_WATCHING, Pulse, Worker, doing, join_all
from rankcast.wire import STREAM_ID_BYTES, Header, Replay
from rankcast_sender.pacing import DEFAULT_FPS, GrabOptions
from rankcast_sender.publisher import Publisher
from rankcast_sender.sources import RecordedPackets

T = TypeVar("T")
MAX_BEHIND_NS: Final = 250_000_000
"""A replay that falls further behind goes on from where it is: viewers would call it stale."""
UNPACED_NS: Final = 500_000_000
"""Without real time, how often the times of the replay are compared with those of the recording."""
PIPELINE_STOP_S: Final = 10.0


class ReplayPipeline:
    """Publish the packets of one camera of a recording.

    There is nothing to encode: packets go to the socket as they are. Each loop, and each stream of
    the recording, is a stream of its own for viewers, and the status says how its times follow
    from those of the packets.

    Parameters
    ----------
    open_source : callable
        Opens the recording. The thread calls it, and closes the recording.
    publisher : Publisher
        Owned, and closed, by the caller.
    options : GrabOptions
    """

    def __init__(
        self,
        open_source: Callable[[], RecordedPackets],
        publisher: Publisher,
        options: GrabOptions,
    ) -> None:
        self._open_source = open_source
        self._publisher = publisher
        self._camera = publisher.camera
        self._options = options
        self._stop = threading.Event()
        self._done = threading.Event()
        self._source: RecordedPackets | None = None
        self._pulse = Pulse(f"replay of {publisher.name}")
        self.pulses = (self._pulse,)
        self.failures: Final = 0
        """0: a recording that cannot be read is not tried again."""
        self.cpu_start_s = 0.0
        """CPU time of the process at the first frame, when streaming begins."""
        self._camera.source.opening()
        self._worker = Worker(
            "rankcast-replay", self._run, self._done.set, task=f"replay of {publisher.name}"
        )

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask the thread to stop, without waiting for it."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.interrupt()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the stream; True once it has ended."""
        return self._done.wait(timeout_s)

    def join(self, timeout_s: float = PIPELINE_STOP_S) -> None:
        """Wait until the thread has ended; raise the exception that ended it."""
        self.stop()
        join_all((self._worker,), timeout_s)

    def _run(self) -> None:
        camera, options = self._camera, self._options
        try:
            if options.wait_viewers and not self._publisher.wait_viewers(
                options.wait_viewers, stopped=self._stop.is_set
            ):
                return
            with doing(f"opening source of {camera.name}"):
                source = self._open_source()
            try:
                self._source = source
                source.adjustments.pulse = self._pulse
                camera.source.opened(source, announces=camera.realtime)
                self._play(source)
            finally:
                self._source = None
                camera.source.closed()
                source.adjustments.close()
                source.close()
        except RankcastError:
            camera.source.failed(retry=False)
            raise
        finally:
            self._pulse.rest()

    def _play(self, source: RecordedPackets) -> None:
        camera, replay, loop, played, led = self._camera, None, -1, 0, False
        with doing(f"reading source of {camera.name}"):
            for packet, following in _pairs(source):
                self._pulse.beat()
                header = packet.header
                if self._stop.is_set():
                    return
                self.cpu_start_s = self.cpu_start_s or time.process_time()
                with self._pulse.resting():
                    stepped = not packet.is_lead and source.wait_for_step()
                if replay is not None and packet.loop != loop and not self._wait_for_loop(source):
                    return
                if replay is None or packet.loop != loop or header.stream_id != replay.stream:
                    # Nobody has heard of a frame yet where the first one has number 0.
                    is_first = replay is None and header.sequence == 0
                    loop = packet.loop
                    same_id = self._camera.stream_id if is_first else None
                    replay = self._begin(header, loop, source.speed, same_id)
                elif stepped or (led and not packet.is_lead) or self._is_off(replay, header, led):
                    replay = self._begin(header, loop, replay.speed, self._camera.stream_id)
                if following is not None and following.loop == loop:
                    later_ns = following.header.t_capture_mono_ns - header.t_capture_mono_ns
                    source.interval_s = max(0.0, later_ns / 1e9 / replay.speed)
                if not packet.is_lead and not self._wait_until_due(replay, header):
                    return
                led = packet.is_lead
                self._publish(packet.data, header)
                played += 1
                if played == self._options.frames:
                    return

    def _begin(
        self, header: Header, loop: int, speed: float, stream_id: bytes | None = None
    ) -> Replay:
        """Say that frames from `header` on are shown from now on; by default as a new stream."""
        replay = Replay(
            header.stream_id, loop, speed, header.t_capture_mono_ns, boot_ns(), time.time_ns()
        )
        new_id = os.urandom(STREAM_ID_BYTES) if stream_id is None else stream_id
        with self._pulse.resting():
            self._publisher.begin_replay(replay, new_id, header.sequence)
        return replay

    def _wait_for_loop(self, source: RecordedPackets) -> bool:
        """Let the last frame of a loop stay as long as the one before; False after `stop`."""
        if self._camera.realtime:
            with self._pulse.resting():
                self._stop.wait(source.interval_s or 1 / DEFAULT_FPS)
        return not self._stop.is_set()

    def _is_off(self, replay: Replay, header: Header, led: bool) -> bool:
        """Whether the replay is not where its times say, because something held it up."""
        ahead_ns = replay.shown_ns(header.t_capture_mono_ns)[0] - boot_ns()
        if self._camera.realtime and not led:
            return -ahead_ns > MAX_BEHIND_NS
        return abs(ahead_ns) > UNPACED_NS

    def _wait_until_due(self, replay: Replay, header: Header) -> bool:
        """Wait until a frame is due; False after `stop`."""
        if self._camera.realtime:
            wait_ns = replay.shown_ns(header.t_capture_mono_ns)[0] - boot_ns()
            with self._pulse.resting():
                self._stop.wait(max(0.0, wait_ns / 1e9))
        return not self._stop.is_set()

    def _publish(self, data: bytes, header: Header) -> None:
        camera = self._camera
        camera.ledger.enter()
        camera.source.frame_grabbed()
        if header.shape is not None:
            camera.picture_size = header.shape[1], header.shape[0]
        if header.codec is not None and header.codec in CODECS:
            camera.replayed_codec = CODECS[header.codec].name
        watched = camera.watched
        if not watched:
            camera.ledger.lose(NOBODY_WATCHING)
        self._publisher.publish_recorded(data if watched else b"", header)


def _pairs(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Yield each item with the one after it; None after the last."""
    iterator = iter(items)
    item = next(iterator, None)
    while item is not None:
        following = next(iterator, None)
        yield item, following
        item = following
